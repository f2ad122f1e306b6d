import * as tf from '@tensorflow/tfjs-core';
import { type FeatureMap, LINEAR_EPS, mapFeatures } from './feature-map.ts';
import { cutSequence, joinSequence } from './sequence-blocks.ts';

/**
 * Linear attention of each block of queries over the blocks of keys that it sees: q, k and v [B, N, L, D], turned by then,
 * `seen` [B N, blocks, blocks] with a 1 where a block of queries, the row, sees a block of keys, else 0. Returns
 * [B, N, L, D], owned by the caller; cost O(L D^2 + (blocks D)^2).
 */
export function linearOverBlocks(
  { q, k, v }: { q: tf.Tensor; k: tf.Tensor; v: tf.Tensor },
  seen: tf.Tensor,
  { featureMap, blockSize }: { featureMap: FeatureMap; blockSize: number },
): tf.Tensor {
  const [A, blocks] = seen.shape as [number, number];
  const D = q.shape[3]!;
  return tf.tidy(() => {
    const cut = (x: tf.Tensor) => cutSequence(x, blockSize);
    const [queries, keys] = [cut(mapFeatures(featureMap, q)), cut(mapFeatures(featureMap, k))];
    const states = tf.matMul(keys, cut(v), true, false); // [A, blocks, D, D]
    const state = tf.reshape(tf.matMul(seen, tf.reshape(states, [A, blocks, D * D])), [A, blocks, D, D]);
    const keySum = tf.reshape(tf.matMul(seen, tf.sum(keys, 2)), [A, blocks, 1, D]);
    const denominator = tf.matMul(queries, keySum, false, true); // [A, blocks, blockSize, 1]
    return joinSequence(tf.div(tf.matMul(queries, state), tf.add(denominator, LINEAR_EPS)), q.shape);
  });
}
