import * as tf from '@tensorflow/tfjs-core';
import { attend } from './attend.ts';
import { gatherBlocks } from './gather-blocks.ts';
import { cutSequence, joinSequence } from './sequence-blocks.ts';

/** MASKED scores have no weight: exp of them is exactly 0 in float32. */
const MASKED = -1e9;

/**
 * Softmax attention of each block of queries to the blocks of keys picked for it: q, k and v [B, N, L, D], turned by then,
 * picked [B N, blocks, K] int32, of blocks of `blockSize` tokens. Returns [B, N, L, D], owned by the caller; cost and
 * memory O(L K blockSize).
 */
export function composedPicked(
  { q, k, v }: { q: tf.Tensor; k: tf.Tensor; v: tf.Tensor },
  picked: tf.Tensor,
  blockSize: number,
): tf.Tensor {
  const [L, D] = q.shape.slice(2) as [number, number];
  return tf.tidy(() => {
    const queries = cutSequence(tf.mul(q, 1 / Math.sqrt(D)), blockSize);
    const [keys, values] = [k, v].map((x) => gatherBlocks(cutSequence(x, blockSize), picked)) as [tf.Tensor, tf.Tensor];
    const mask = L % blockSize === 0 ? undefined : maskAfter(L, picked, blockSize);
    return joinSequence(attend(queries, keys, values, mask), q.shape);
  });
}

/** MASKED for the places after the last token in picked blocks [A, R, K], 0 for tokens: [A, R, 1, K blockSize]. */
function maskAfter(length: number, picked: tf.Tensor, blockSize: number): tf.Tensor {
  const [A, R, K] = picked.shape as [number, number, number];
  const first = tf.mul(tf.cast(tf.expandDims(picked, 3), 'float32'), blockSize);
  const isToken = tf.less(tf.add(first, tf.range(0, blockSize)), length);
  return tf.reshape(tf.mul(tf.sub(1, tf.cast(isToken, 'float32')), MASKED), [A, R, 1, K * blockSize]);
}
