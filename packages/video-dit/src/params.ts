import {
  initLabelEmbedder,
  initLinear,
  initScalarEmbedder,
  type LabelEmbedderParams,
  type LinearParams,
  type ScalarEmbedderParams,
} from '@eflow/nn';
import { type RandomStream, splitStream } from '@eflow/tensor';
import { initWordEncoder, type WordEncoderParams } from '@eflow/text';
import * as tf from '@tensorflow/tfjs-core';
import { type BlockParams, initBlock } from './block.ts';
import { contextWidth, type VideoDiTConfig, validateConfig } from './config.ts';
import { type ContextEmbedderParams, initContextEmbedder } from './context.ts';
import { STARTS } from './starts.ts';

export type VideoDiTParams = {
  patchEmbed: LinearParams;
  /** From cos and sin of a token's rotation angles, [2 D, E]. */
  positionEmbed: LinearParams;
  timestepEmbedder: ScalarEmbedderParams;
  intervalEmbedder: ScalarEmbedderParams;
  /** In a network that takes its guidance scale as an input. */
  guidanceEmbedder?: ScalarEmbedderParams;
  /** In a network with classes. */
  labelEmbedder?: LabelEmbedderParams;
  /** In a network that is told words: what each adds to the times, as a class does. */
  wordEmbedder?: LabelEmbedderParams;
  /** In a network that is told words: their states are its context. */
  wordEncoder?: WordEncoderParams;
  /** In a network with a context. */
  contextEmbedder?: ContextEmbedderParams;
  encoderBlocks: BlockParams[];
  middleBlocks: BlockParams[];
  decoderBlocks: BlockParams[];
  /** Long skips, one per decoder block that has an encoder block opposite: [2 E, E]. */
  skips: LinearParams[];
  /** Joins the encoder's output with the middle's: [2 E, E]. */
  fusion: LinearParams;
  /** Stands in the places of dropped tokens. */
  maskToken: tf.Tensor1D;
  final: { adaLN: LinearParams; linear: LinearParams };
};

/**
 * New parameters from a stream, as `STARTS` says, so that a new network predicts 0. The caller owns them.
 * Throws if the config's sizes do not go together.
 */
export function initVideoDiT(stream: RandomStream, given: VideoDiTConfig): VideoDiTParams {
  const config = validateConfig(given);
  const { hiddenSize: E, depth, channels, patchSize, numClasses, words, guidanceInput } = config;
  const contextSize = contextWidth(config);
  const patchLength = patchSize[0] * patchSize[1] * patchSize[2] * channels;
  const at = (label: string) => splitStream(stream, label);
  const blocks = (label: string, count: number) =>
    Array.from({ length: count }, (_, i) => initBlock(splitStream(at(label), i), config));
  return {
    patchEmbed: initLinear(at('patchEmbed'), patchLength, E),
    positionEmbed: initLinear(at('positionEmbed'), (2 * E) / config.numHeads, E),
    timestepEmbedder: initScalarEmbedder(at('timestepEmbedder'), E),
    intervalEmbedder: initScalarEmbedder(at('intervalEmbedder'), E),
    ...(guidanceInput && { guidanceEmbedder: initScalarEmbedder(at('guidanceEmbedder'), E) }),
    ...(numClasses > 0 && { labelEmbedder: initLabelEmbedder(at('labelEmbedder'), numClasses, E) }),
    ...(words && {
      wordEmbedder: initLabelEmbedder(at('wordEmbedder'), words.vocabulary.length, E),
      wordEncoder: initWordEncoder(at('wordEncoder'), words),
    }),
    ...(contextSize && { contextEmbedder: initContextEmbedder(at('contextEmbedder'), contextSize, E) }),
    encoderBlocks: blocks('encoderBlocks', depth[0]),
    middleBlocks: blocks('middleBlocks', depth[1]),
    decoderBlocks: blocks('decoderBlocks', depth[2]),
    skips: Array.from({ length: Math.min(depth[0], depth[2]) }, (_, i) =>
      initLinear(splitStream(at('skips'), i), 2 * E, E),
    ),
    fusion: initLinear(at('fusion'), 2 * E, E),
    maskToken: tf.tidy(() => tf.reshape(STARTS.maskToken(at('maskToken'), [1, E]), [E])),
    final: {
      adaLN: initLinear(at('finalAdaLN'), E, 2 * E, STARTS.finalAdaLN),
      linear: initLinear(at('finalLinear'), E, patchLength, STARTS.finalLinear),
    },
  };
}
