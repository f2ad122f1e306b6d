import { type AttentionSpec, attention, type Grid, type Rotary } from '@eflow/attention';
import { gelu, initLinear, type LinearParams, layerNorm, linear, modulate, rmsNorm, zeros } from '@eflow/nn';
import { type RandomStream, splitStream } from '@eflow/tensor';
import * as tf from '@tensorflow/tfjs-core';

/** One q, k, v projection, the norms of q and k, GLGA's gate or SLA's projection, and the output projection. */
type AttentionParams = {
  qkv: LinearParams;
  qNorm: { weight: tf.Tensor1D };
  kNorm: { weight: tf.Tensor1D };
  gate?: LinearParams;
  /** Of SLA's linear branch, [D, D], shared by the heads; named as in its released code. */
  proj_l?: { weight: tf.Tensor2D };
  proj: LinearParams;
};

export type BlockParams = {
  adaLN: LinearParams;
  attn: AttentionParams;
  mlp: { fc1: LinearParams; fc2: LinearParams };
};

export interface BlockConfig {
  hiddenSize: number;
  numHeads: number;
  mlpRatio: number;
  attention: AttentionSpec;
}

/** Parameters of a block; adaLN starts at zero, so that a new block is the identity. The caller owns them. */
export function initBlock(stream: RandomStream, config: BlockConfig): BlockParams {
  const { hiddenSize, numHeads, mlpRatio } = config;
  const headDim = hiddenSize / numHeads;
  const mlpSize = Math.round(hiddenSize * mlpRatio);
  const at = (label: string) => splitStream(stream, label);
  return {
    adaLN: initLinear(at('adaLN'), hiddenSize, 6 * hiddenSize, zeros),
    attn: {
      qkv: initLinear(at('qkv'), hiddenSize, 3 * hiddenSize),
      qNorm: { weight: tf.ones([headDim]) },
      kNorm: { weight: tf.ones([headDim]) },
      // Zero: both branches start with equal weight.
      ...(config.attention.kind === 'glga' && { gate: initLinear(at('gate'), hiddenSize, numHeads, zeros) }),
      // Zero, as in the released code: SLA starts as its sparse branch alone.
      ...(config.attention.kind === 'sla' && { proj_l: { weight: tf.zeros<tf.Rank.R2>([headDim, headDim]) } }),
      proj: initLinear(at('proj'), hiddenSize, hiddenSize),
    },
    mlp: {
      fc1: initLinear(at('fc1'), hiddenSize, mlpSize),
      fc2: initLinear(at('fc2'), mlpSize, hiddenSize),
    },
  };
}

/** Where the tokens are: turned by the rotary embedding, and on this grid unless some were dropped. */
type TokenPlaces = { rotary: Rotary; grid?: Grid };

/**
 * adaLN-zero transformer block (DiT, arXiv 2212.09748) with any attention: x [B, L, E], activated condition [B, E]
 * (SiLU already applied) -> [B, L, E], owned by the caller.
 */
export function block(
  params: BlockParams,
  config: BlockConfig,
  x: tf.Tensor,
  { condition, ...place }: { condition: tf.Tensor } & TokenPlaces,
): tf.Tensor {
  return tf.tidy(() => {
    const [attnShift, attnScale, attnGate, mlpShift, mlpScale, mlpGate] = tf.split(
      linear(params.adaLN, condition),
      6,
      1,
    ) as [tf.Tensor, tf.Tensor, tf.Tensor, tf.Tensor, tf.Tensor, tf.Tensor];
    const attnIn = modulate(layerNorm(x), attnShift, attnScale);
    const attnOut = selfAttention(params.attn, config, attnIn, place);
    const middle = tf.add(x, tf.mul(tf.expandDims(attnGate, 1), attnOut));
    const mlpIn = modulate(layerNorm(middle), mlpShift, mlpScale);
    const mlpOut = linear(params.mlp.fc2, gelu(linear(params.mlp.fc1, mlpIn)));
    return tf.add(middle, tf.mul(tf.expandDims(mlpGate, 1), mlpOut));
  });
}

/** Self-attention over x [B, L, E] with q and k normalised per head -> [B, L, E]. */
function selfAttention(params: AttentionParams, config: BlockConfig, x: tf.Tensor, place: TokenPlaces): tf.Tensor {
  const [B, L, E] = x.shape as [number, number, number];
  const N = config.numHeads;
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
}
