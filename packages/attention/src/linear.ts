import * as tf from '@tensorflow/tfjs-core';
import { cumulativeSum } from './cumulative-sum.ts';
import { type FeatureMap, mapFeatures } from './feature-map.ts';
import { type AttentionInputs, assertCount, assertInputs } from './inputs.ts';
import { nativeAttention } from './native.ts';
import { rotate } from './rotary.ts';
import { cutSequence, joinSequence } from './sequence-blocks.ts';

/** Keeps the denominator off zero where ReLU silences all of a query's features. */
export const LINEAR_EPS = 1e-6;

export interface LinearOptions {
  featureMap: FeatureMap;
  /** Tokens of a block, each of which sees its own block and those before it; absent: every token sees all. */
  causalBlockSize?: number;
}

/**
 * Linear attention (Katharopoulos et al., arXiv 2006.16236):
 * O_i = phi(q_i) sum_j phi(k_j)^T v_j / (phi(q_i) . sum_j phi(k_j) + eps), over all tokens j, or block-causally over those
 * up to the end of i's own block. As in SANA-Video (arXiv 2509.24695) rotary turns phi(q) and phi(k) in the numerator
 * alone, so that the denominator stays positive. Returns [B, N, L, D], owned by the caller; cost O(L D^2); block-causal
 * memory holds a [D, D] state for each block. Throws if the shapes disagree or an option cannot be.
 */
export function linearAttention(inputs: AttentionInputs, options: LinearOptions): tf.Tensor {
  const { L } = assertInputs('linearAttention', inputs);
  const { causalBlockSize } = options;
  if (causalBlockSize !== undefined) {
    assertCount('linearAttention', 'causalBlockSize', causalBlockSize, 'tokens of a block');
  }
  const isCausal = causalBlockSize !== undefined && causalBlockSize < L;
  return (isCausal ? undefined : nativeAttention(inputs, options)) ?? composedLinear(inputs, options);
}

/** The same of TensorFlow.js ops alone, of inputs that are checked. */
export function composedLinear({ q, k, v, rotary }: AttentionInputs, options: LinearOptions): tf.Tensor {
  const { featureMap, causalBlockSize } = options;
  const L = q.shape[2]!;
  const blockSize = Math.min(causalBlockSize ?? L, L);
  const cut = (x: tf.Tensor) => cutSequence(x, blockSize); // [B N, blocks, blockSize, D]
  const upToHere = (x: tf.Tensor) => (blockSize < L ? cumulativeSum(x) : x);
  return tf.tidy(() => {
    const queries = mapFeatures(featureMap, q);
    const keys = mapFeatures(featureMap, k);
    const turn = (x: tf.Tensor) => (rotary ? rotate(x, rotary) : x);
    const keysTimesValues = upToHere(tf.matMul(cut(turn(keys)), cut(v), true, false)); // [B N, blocks, D, D]
    const keySum = upToHere(tf.sum(cut(keys), 2, true)); // [B N, blocks, 1, D]
    const numerator = tf.matMul(cut(turn(queries)), keysTimesValues);
    const denominator = tf.matMul(cut(queries), keySum, false, true); // [B N, blocks, blockSize, 1]
    return joinSequence(tf.div(numerator, tf.add(denominator, LINEAR_EPS)), q.shape);
  });
}
