import { type AttentionSpec, attention, type Grid, type Rotary } from '@eflow/attention';
import { initLinear, type LinearParams, linear, rmsNorm, zeros } from '@eflow/nn';
import { type RandomStream, splitStream } from '@eflow/tensor';
import * as tf from '@tensorflow/tfjs-core';

/** One q, k, v projection, the norms of q and k, GLGA's gate or SLA's projection, and the output projection. */
export type SelfAttentionParams = {
  qkv: LinearParams;
  qNorm: { weight: tf.Tensor1D };
  kNorm: { weight: tf.Tensor1D };
  gate?: LinearParams;
  /** Of SLA's linear branch, [D, D], shared by the heads; named as in its released code. */
  proj_l?: { weight: tf.Tensor2D };
  proj: LinearParams;
};

export interface SelfAttentionConfig {
  hiddenSize: number;
  numHeads: number;
  attention: AttentionSpec;
}

/** Where the tokens are: turned by the rotary embedding, and on this grid unless some were dropped. */
export type TokenPlaces = { rotary: Rotary; grid?: Grid };

/** Parameters of self-attention. The caller owns them. */
export function initSelfAttention(stream: RandomStream, config: SelfAttentionConfig): SelfAttentionParams {
  const { hiddenSize, numHeads, attention } = config;
  const headDim = hiddenSize / numHeads;
  const at = (label: string) => splitStream(stream, label);
  return {
    qkv: initLinear(at('qkv'), hiddenSize, 3 * hiddenSize),
    qNorm: { weight: tf.ones([headDim]) },
    kNorm: { weight: tf.ones([headDim]) },
    // Zero: both branches start with equal weight.
    ...(attention.kind === 'glga' && { gate: initLinear(at('gate'), hiddenSize, numHeads, zeros) }),
    // Zero, as in the released code: SLA starts as its sparse branch alone.
    ...(attention.kind === 'sla' && { proj_l: { weight: tf.zeros<tf.Rank.R2>([headDim, headDim]) } }),
    proj: initLinear(at('proj'), hiddenSize, hiddenSize),
  };
}

/** Attention of any kind over x [B, L, E], with q and k normalised per head -> [B, L, E], owned by the caller. */
export function selfAttention(
  params: SelfAttentionParams,
  config: SelfAttentionConfig,
  x: tf.Tensor,
  place: TokenPlaces,
): tf.Tensor {
  const [B, L, E] = x.shape as [number, number, number];
  const N = config.numHeads;
  return tf.tidy(() => {
    const qkv = tf.transpose(tf.reshape(linear(params.qkv, x), [B, L, 3, N, E / N]), [2, 0, 3, 1, 4]);
    const [q, k, v] = tf.unstack(qkv) as [tf.Tensor, tf.Tensor, tf.Tensor]; // [B, N, L, D] each
    const output = attention(config.attention, {
      q: rmsNorm(params.qNorm.weight, q),
      k: rmsNorm(params.kNorm.weight, k),
      v,
      ...place,
      gate: params.gate && tf.expandDims(tf.transpose(tf.sigmoid(linear(params.gate, x)), [0, 2, 1]), 3),
      proj: params.proj_l?.weight,
    });
    return linear(params.proj, tf.reshape(tf.transpose(output, [0, 2, 1, 3]), [B, L, E]));
  });
}
