import {
  addGatedLinear,
  initLinear,
  type LinearParams,
  layerNorm,
  linear,
  linearGelu,
  modulatedNorm,
  swiglu,
} from '@eflow/nn';
import { type RandomStream, splitStream } from '@eflow/tensor';
import * as tf from '@tensorflow/tfjs-core';
import { contextWidth, type FullVideoDiTConfig, mlpWidth, type VideoDiTConfig } from './config.ts';
import { attendToContext, type Context, type CrossAttentionParams, initCrossAttention } from './context.ts';
import { initSelfAttention, type SelfAttentionParams, selfAttention, type TokenPlaces } from './self-attention.ts';
import { STARTS } from './starts.ts';

export type BlockParams = {
  adaLN: LinearParams;
  attn: SelfAttentionParams;
  crossAttn?: CrossAttentionParams;
  mlp: { fc1: LinearParams; fc2: LinearParams };
};

/** What a block is made from. */
export type BlockConfig = Pick<FullVideoDiTConfig, 'hiddenSize' | 'numHeads' | 'mlpRatio' | 'attention'> &
  Pick<VideoDiTConfig, 'mlp' | 'attentionKinds' | 'contextSize' | 'words'>;

/** Parameters of a block, which starts as the identity. The caller owns them. */
export function initBlock(stream: RandomStream, config: BlockConfig): BlockParams {
  const { hiddenSize } = config;
  const width = mlpWidth(config);
  const at = (label: string) => splitStream(stream, label);
  return {
    adaLN: initLinear(at('adaLN'), hiddenSize, 6 * hiddenSize, STARTS.adaLN),
    attn: initSelfAttention(stream, config),
    ...(contextWidth(config) && { crossAttn: initCrossAttention(at('crossAttn'), config) }),
    mlp: {
      fc1: initLinear(at('fc1'), hiddenSize, config.mlp === 'swiglu' ? 2 * width : width),
      fc2: initLinear(at('fc2'), width, hiddenSize),
    },
  };
}

/** What a block sees besides its tokens: the condition [B, E], SiLU applied, their places, and a context or none. */
export type BlockSurroundings = { condition: tf.Tensor; context?: Context } & TokenPlaces;

/**
 * adaLN-zero transformer block (DiT, arXiv 2212.09748) with any attention, cross-attention to the context if the network
 * has one, and an MLP: x [B, L, E] -> [B, L, E], owned by the caller.
 */
export function block(
  params: BlockParams,
  config: BlockConfig,
  x: tf.Tensor,
  { condition, context, ...place }: BlockSurroundings,
): tf.Tensor {
  return tf.tidy(() => {
    const [attnShift, attnScale, attnGate, mlpShift, mlpScale, mlpGate] = tf.split(
      linear(params.adaLN, condition),
      6,
      1,
    ) as [tf.Tensor, tf.Tensor, tf.Tensor, tf.Tensor, tf.Tensor, tf.Tensor];
    const attnIn = modulatedNorm(x, attnShift, attnScale);
    let h = addGatedLinear(x, attnGate, params.attn.proj, selfAttention(params.attn, config, attnIn, place));
    if (params.crossAttn && context) {
      h = tf.add(h, attendToContext(params.crossAttn, config.numHeads, layerNorm(h), context));
    }
    const mlpIn = modulatedNorm(h, mlpShift, mlpScale);
    const { fc1, fc2 } = params.mlp;
    return addGatedLinear(
      h,
      mlpGate,
      fc2,
      config.mlp === 'swiglu' ? swiglu(linear(fc1, mlpIn)) : linearGelu(fc1, mlpIn),
    );
  });
}
