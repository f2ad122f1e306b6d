import {
  type AnyAttentionKind,
  type AttentionSpec,
  attention,
  attentionKind,
  type Grid,
  type LearnedInput,
  type Rotary,
} from '@eflow/attention';
import { type HeadsParams, initLinear, joinHeads, type LinearParams, linear, projectHeads } from '@eflow/nn';
import { type RandomStream, splitStream } from '@eflow/tensor';
import * as tf from '@tensorflow/tfjs-core';
import { STARTS } from './starts.ts';

/** One q, k, v projection, the norms of q and k, what the kind of attention learns, and the output projection. */
export type SelfAttentionParams = HeadsParams & {
  proj: LinearParams;
  /** What the kind learns, under the names of its record: GLGA's `gate`, SLA's `proj_l`. */
  [learned: string]: LearnedParams;
};

/** The parameters of a linear layer, or a weight alone. */
type LearnedParams = { weight: tf.Tensor; bias?: tf.Tensor };

export interface SelfAttentionConfig {
  hiddenSize: number;
  numHeads: number;
  attention: AttentionSpec;
  attentionKinds?: readonly AnyAttentionKind[];
}

/** How what a kind learns starts, and how the kernel's input comes of it and the tokens x [B, L, E]. */
const LEARNED: Record<
  LearnedInput['form'],
  {
    init: (stream: RandomStream, config: SelfAttentionConfig) => LearnedParams;
    apply: (params: LearnedParams, x: tf.Tensor) => tf.Tensor;
  }
> = {
  gate: {
    init: (stream, { hiddenSize, numHeads }) => initLinear(stream, hiddenSize, numHeads, STARTS.attentionGate),
    apply: (params, x) => tf.expandDims(tf.transpose(tf.sigmoid(linear(params as LinearParams, x)), [0, 2, 1]), 3), // [B, N, L, 1]
  },
  projection: {
    init: (stream, { hiddenSize, numHeads }) => ({
      weight: STARTS.attentionProjection(stream, [hiddenSize / numHeads, hiddenSize / numHeads]),
    }),
    apply: ({ weight }) => weight, // [D, D]
  },
};

/** Where the tokens are: turned by the rotary embedding, and on this grid unless some were dropped. */
export type TokenPlaces = { rotary: Rotary; grid?: Grid };

/** Parameters of self-attention. The caller owns them. */
export function initSelfAttention(stream: RandomStream, config: SelfAttentionConfig): SelfAttentionParams {
  const { hiddenSize, numHeads } = config;
  const { learns } = attentionKind(config.attention, config.attentionKinds);
  const headDim = hiddenSize / numHeads;
  const at = (label: string) => splitStream(stream, label);
  const learned = Object.values(learns).map(({ form, as }) => [as, LEARNED[form].init(at(as), config)]);
  return {
    qkv: initLinear(at('qkv'), hiddenSize, 3 * hiddenSize),
    qNorm: { weight: tf.ones([headDim]) },
    kNorm: { weight: tf.ones([headDim]) },
    ...Object.fromEntries(learned),
    proj: initLinear(at('proj'), hiddenSize, hiddenSize),
  };
}

/**
 * Attention of any kind over x [B, L, E], with q and k normalised per head -> [B, L, E], which the output projection is to be
 * applied to; owned by the caller.
 */
export function selfAttention(
  params: SelfAttentionParams,
  { attention: spec, attentionKinds }: SelfAttentionConfig,
  x: tf.Tensor,
  place: TokenPlaces,
): tf.Tensor {
  const { learns } = attentionKind(spec, attentionKinds);
  return tf.tidy(() => {
    const heads = projectHeads(params, x);
    const learned = Object.entries(learns).flatMap(([name, { form, as }]) => {
      const own = params[as];
      return own ? [[name, LEARNED[form].apply(own, x)]] : []; // attention says what is missing
    });
    return joinHeads(attention(spec, { ...heads, ...place, ...Object.fromEntries(learned) }, attentionKinds));
  });
}
