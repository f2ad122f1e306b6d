import { crossAttention } from '@eflow/attention';
import { gelu, initLinear, type LinearParams, linear, rmsNorm } from '@eflow/nn';
import { type RandomStream, splitStream } from '@eflow/tensor';
import * as tf from '@tensorflow/tfjs-core';
import { STARTS } from './starts.ts';

/** Linear, GELU, linear: from the vectors of a condition, such as a text's, to the hidden size. */
export type ContextEmbedderParams = { fc1: LinearParams; fc2: LinearParams };

/** Parameters of a context embedder. The caller owns them. */
export const initContextEmbedder = (
  stream: RandomStream,
  contextSize: number,
  hiddenSize: number,
): ContextEmbedderParams => ({
  fc1: initLinear(splitStream(stream, 'fc1'), contextSize, hiddenSize),
  fc2: initLinear(splitStream(stream, 'fc2'), hiddenSize, hiddenSize),
});

/** Embeds vectors [B, S, contextSize] -> [B, S, E], owned by the caller. */
export const contextEmbedder = (params: ContextEmbedderParams, vectors: tf.Tensor): tf.Tensor =>
  tf.tidy(() => linear(params.fc2, gelu(linear(params.fc1, vectors))));

/** Queries of the tokens; keys, then values, of the context; the norms of both; the output projection. */
export type CrossAttentionParams = {
  q: LinearParams;
  kv: LinearParams;
  qNorm: { weight: tf.Tensor1D };
  kNorm: { weight: tf.Tensor1D };
  proj: LinearParams;
};

/** Parameters of cross-attention; its output starts at zero. The caller owns them. */
export function initCrossAttention(
  stream: RandomStream,
  { hiddenSize, numHeads }: { hiddenSize: number; numHeads: number },
): CrossAttentionParams {
  const at = (label: string) => splitStream(stream, label);
  return {
    q: initLinear(at('q'), hiddenSize, hiddenSize),
    kv: initLinear(at('kv'), hiddenSize, 2 * hiddenSize),
    qNorm: { weight: tf.ones([hiddenSize / numHeads]) },
    kNorm: { weight: tf.ones([hiddenSize / numHeads]) },
    proj: initLinear(at('proj'), hiddenSize, hiddenSize, STARTS.crossAttentionOutput),
  };
}

/** Embedded vectors [B, S, E] and which of them are there, [B, S] bool; all without a mask. */
export type Context = { vectors: tf.Tensor; mask?: tf.Tensor };

/**
 * What tokens x [B, L, E] take from the context, as in PixArt-alpha (arXiv 2310.00426) with q and k normalised per head
 * -> [B, L, E], owned by the caller. A clip without any vector takes nothing but the projection's bias.
 */
export function attendToContext(
  params: CrossAttentionParams,
  numHeads: number,
  x: tf.Tensor,
  { vectors, mask }: Context,
): tf.Tensor {
  const [B, L, E] = x.shape as [number, number, number];
  const [S, N] = [vectors.shape[1]!, numHeads];
  return tf.tidy(() => {
    const q = tf.transpose(tf.reshape(linear(params.q, x), [B, L, N, E / N]), [0, 2, 1, 3]);
    const kv = tf.transpose(tf.reshape(linear(params.kv, vectors), [B, S, 2, N, E / N]), [2, 0, 3, 1, 4]);
    const [k, v] = tf.unstack(kv) as [tf.Tensor, tf.Tensor]; // [B, N, S, D] each
    const output = crossAttention({
      q: rmsNorm(params.qNorm.weight, q),
      k: rmsNorm(params.kNorm.weight, k),
      v,
      mask,
    });
    return linear(params.proj, tf.reshape(tf.transpose(output, [0, 2, 1, 3]), [B, L, E]));
  });
}
