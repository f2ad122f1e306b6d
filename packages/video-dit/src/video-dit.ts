import { type Grid, gatherRotary, type Rotary, rotaryTable } from '@eflow/attention';
import {
  type LabelEmbedderParams,
  type LinearParams,
  labelEmbedder,
  linear,
  modulatedNorm,
  scalarEmbedder,
  silu,
} from '@eflow/nn';
import { explain, rematerialise, stopGradient } from '@eflow/tensor';
import { wordEncoder } from '@eflow/text';
import * as tf from '@tensorflow/tfjs-core';
import { type BlockParams, block } from './block.ts';
import { type FullVideoDiTConfig, type VideoDiTConfig, validateConfig } from './config.ts';
import { type Context, contextEmbedder } from './context.ts';
import { checkInput, type VideoDiTInput } from './input.ts';
import type { VideoDiTParams } from './params.ts';
import { patchify, unpatchify } from './patchify.ts';
import { gatherTokens, restoreTokens } from './token-drop.ts';

/**
 * N(x_t, t, s, c), the mean velocity from t to s, or what the config's `predicts` says: [B, F, H, W, C], owned by the caller. The
 * encoder and the decoder see all tokens, the middle blocks those in `keptTokens`. Throws if the inputs' shapes disagree with the config.
 */
export const videoDiT = (params: VideoDiTParams, config: VideoDiTConfig, input: VideoDiTInput): tf.Tensor =>
  explain(() => run(params, validateConfig(config), input, true));

/**
 * The weak path (SPRINT, arXiv 2510.21986): the same network with the middle skipped, mask tokens in its place. A
 * `VideoDiTInput` whose `pathDropped` is all true gives the same, at the price of the middle.
 */
export const weakVideoDiT = (params: VideoDiTParams, config: VideoDiTConfig, input: VideoDiTInput): tf.Tensor =>
  explain(() => run(params, validateConfig(config), input, false));

function run(params: VideoDiTParams, config: FullVideoDiTConfig, input: VideoDiTInput, hasMiddle: boolean): tf.Tensor {
  const { clip, grid } = checkInput(config, input);
  const { keptTokens, pathDropped } = input;
  return tf.tidy(() => {
    const rotary = rotaryTable(grid, config.hiddenSize / config.numHeads);
    const surroundings = { ...embedConditions(params, config, input), rotary, grid };

    // Our choice: the rotary embedding tells distances alone. Where in the frame a token lies is told once, here, by a
    // function of the same angles, so that any grid of tokens still fits.
    const position = linear(params.positionEmbed, tf.concat([rotary.cos, rotary.sin], 1));
    let x = tf.add(linear(params.patchEmbed, patchify(config, input.noisy)), position);
    const encoderOutputs = params.encoderBlocks.map((p) => {
      x = applyBlocks([p], config, x, surroundings);
      return x;
    });
    const { fromFirst, fromSecond } = halve(params.fusion);
    const maskToken =
      config.maskToken === 'trained' ? params.maskToken : stopGradient(() => tf.clone(params.maskToken));
    const fromEncoder = fromFirst(x); // ahead of the middle: the order of ops is that in which gradients are summed
    const mask = fromSecond(maskToken);
    let fromMiddle = mask;
    if (hasMiddle) {
      const seen = keptTokens
        ? { ...surroundings, rotary: gatherRotary(rotary, keptTokens), grid: undefined }
        : surroundings;
      const tokens = keptTokens ? gatherTokens(x, keptTokens) : x;
      fromMiddle = fromSecond(applyBlocks(params.middleBlocks, config, tokens, seen));
      if (keptTokens) fromMiddle = restoreTokens(fromMiddle, keptTokens, mask, x.shape[1]!);
      if (pathDropped) {
        // A sum, since the gradient of tfjs' broadcastTo is an op for each copy.
        const everywhere = tf.add(mask, tf.zeros(x.shape));
        fromMiddle = tf.where(tf.reshape(pathDropped, [-1, 1, 1]), everywhere, fromMiddle);
      }
    }
    x = tf.add(fromEncoder, fromMiddle);
    params.decoderBlocks.forEach((p, i) => {
      // Decoder block i is fed by the encoder block opposite, counted from the end.
      const opposite = encoderOutputs[params.decoderBlocks.length - 1 - i];
      const skip = params.skips[params.decoderBlocks.length - 1 - i];
      if (opposite && skip) {
        const { fromFirst, fromSecond } = halve(skip);
        x = tf.add(fromFirst(x), fromSecond(opposite));
      }
      x = applyBlocks([p], config, x, surroundings);
    });
    const [shift, scale] = tf.split(linear(params.final.adaLN, surroundings.condition), 2, 1) as [tf.Tensor, tf.Tensor];
    return unpatchify(config, linear(params.final.linear, modulatedNorm(x, shift, scale)), clip);
  });
}

/** What all blocks of a pass see besides their tokens. Kept tokens are no grid. */
type Surroundings = { condition: tf.Tensor; context?: Context; rotary: Rotary; grid?: Grid };

/** The sum of the embedded times, guidance scale and class or words, SiLU applied, [B, E]; the embedded context. */
function embedConditions(
  params: VideoDiTParams,
  config: FullVideoDiTConfig,
  input: VideoDiTInput,
): Pick<Surroundings, 'condition' | 'context'> {
  const { timestep, targetTimestep, guidanceScale } = input;
  const { labels, words, wordMask } = input.condition;
  const { context: states, mask } = words
    ? {
        context: wordEncoder(params.wordEncoder!, config.words!, { words, mask: wordMask! }),
        mask: wordMask,
      }
    : { context: input.condition.context, mask: input.condition.contextMask };
  const vectors = states && contextEmbedder(params.contextEmbedder!, states);
  const condition = silu(
    tf.addN([
      scalarEmbedder(params.timestepEmbedder, timestep),
      scalarEmbedder(params.intervalEmbedder, tf.sub(timestep, targetTimestep)),
      // 1 - 1 / omega is in [0, 1), as times are, and 0 without guidance (iMF, arXiv 2512.02012).
      ...(params.guidanceEmbedder
        ? [scalarEmbedder(params.guidanceEmbedder, tf.sub(1, tf.reciprocal(guidanceScale!)))]
        : []),
      ...(params.labelEmbedder ? [labelEmbedder(params.labelEmbedder, labels!)] : []),
      ...(words ? [sumOfWords(params.wordEmbedder!, words, wordMask!)] : []),
    ]),
  );
  return vectors ? { condition, context: { vectors, mask } } : { condition };
}

/** The sum of the rows of the words [B, S] that are there, [B, E]: 0 without a caption. */
const sumOfWords = (params: LabelEmbedderParams, words: tf.Tensor, mask: tf.Tensor): tf.Tensor => {
  const rows = tf.reshape(labelEmbedder(params, tf.reshape(words, [-1])), [...words.shape, -1]);
  return tf.sum(tf.mul(rows, tf.cast(tf.expandDims(mask, -1), 'float32')), 1);
};

/** Runs x [B, L, E] through blocks, in turn. */
function applyBlocks(
  blocks: readonly BlockParams[],
  config: FullVideoDiTConfig,
  x: tf.Tensor,
  { grid, ...tensors }: Surroundings,
): tf.Tensor {
  return blocks.reduce((h, params) => {
    const inputs = { params, h, ...tensors };
    const apply = (all: typeof inputs) => block(all.params, config, all.h, { ...all, grid });
    return config.checkpoint === 'blocks' ? rematerialise(apply, inputs) : apply(inputs);
  }, x);
}

/**
 * A linear layer on two inputs side by side, W [a, b] + bias, as a sum of two: neither is copied, and each may be what is
 * smallest, such as the tokens that were kept.
 */
function halve({ weight, bias }: LinearParams) {
  const [first, second] = tf.split(weight, 2) as [tf.Tensor2D, tf.Tensor2D];
  return {
    fromFirst: (a: tf.Tensor) => linear({ weight: first, bias }, a),
    fromSecond: (b: tf.Tensor) => tf.reshape(tf.matMul(tf.reshape(b, [-1, second.shape[0]]), second), b.shape),
  };
}
