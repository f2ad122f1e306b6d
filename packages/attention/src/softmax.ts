import * as tf from '@tensorflow/tfjs-core';
import { attend } from './attend.ts';
import { type AttentionInputs, assertInputs } from './inputs.ts';
import { rotate } from './rotary.ts';

/**
 * Exact attention, softmax(q k^T / sqrt(D)) v, over all pairs of tokens (Vaswani et al., arXiv 1706.03762). Rotary
 * turns q and k. Returns [B, N, L, D], owned by the caller; cost and memory O(L^2). Throws if the shapes disagree.
 */
export function softmaxAttention({ q, k, v, rotary }: AttentionInputs): tf.Tensor {
  const { D } = assertInputs('softmaxAttention', { q, k, v });
  return tf.tidy(() => {
    const scaled = tf.mul(rotary ? rotate(q, rotary) : q, 1 / Math.sqrt(D));
    return attend(scaled, rotary ? rotate(k, rotary) : k, v);
  });
}
