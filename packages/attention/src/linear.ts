import * as tf from '@tensorflow/tfjs-core';
import { type AttentionInputs, assertInputs } from './inputs.ts';
import { rotate } from './rotary.ts';

/** The positive map phi that stands for the exponential: max(x, 0), or elu(x) + 1. */
export type FeatureMap = 'relu' | 'elu1';

/** Keeps the denominator off zero where ReLU silences all of a query's features. */
export const LINEAR_EPS = 1e-6;

/** phi(x), any shape; the caller owns the result. Throws on an unknown map. */
export function mapFeatures(featureMap: FeatureMap, x: tf.Tensor): tf.Tensor {
  switch (featureMap) {
    case 'relu':
      return tf.relu(x);
    case 'elu1':
      return tf.tidy(() => tf.add(tf.elu(x), 1));
    default:
      throw new Error(`mapFeatures: featureMap is '${featureMap satisfies never}'; expected 'relu' or 'elu1'`);
  }
}

/**
 * Linear attention (Katharopoulos et al., arXiv 2006.16236):
 * O_i = phi(q_i) sum_j phi(k_j)^T v_j / (phi(q_i) . sum_j phi(k_j) + eps). As in SANA-Video (arXiv 2509.24695) rotary
 * turns phi(q) and phi(k) in the numerator alone, so that the denominator stays positive. Returns [B, N, L, D], owned
 * by the caller; cost O(L D^2). Throws if the shapes disagree.
 */
export function linearAttention({ q, k, v, rotary }: AttentionInputs, featureMap: FeatureMap): tf.Tensor {
  assertInputs('linearAttention', { q, k, v });
  return tf.tidy(() => {
    const queries = mapFeatures(featureMap, q);
    const keys = mapFeatures(featureMap, k);
    const keysTimesValues = tf.matMul(rotary ? rotate(keys, rotary) : keys, v, true, false); // [B, N, D, D]
    const numerator = tf.matMul(rotary ? rotate(queries, rotary) : queries, keysTimesValues);
    const denominator = tf.matMul(queries, tf.sum(keys, 2, true), false, true); // [B, N, L, 1]
    return tf.div(numerator, tf.add(denominator, LINEAR_EPS));
  });
}
