import type { Tree } from '@eflow/tensor';
import { readWords } from '@eflow/text';
import * as tf from '@tensorflow/tfjs-core';
import type { VideoDiTConfig } from './config.ts';
import type { VideoDiTCondition, VideoDiTInput } from './input.ts';
import type { VideoDiTParams } from './params.ts';
import { videoDiT, weakVideoDiT } from './video-dit.ts';

/** A network with its parameters bound: called as a `Network` of @eflow/flow, whose condition is to be a `VideoDiTCondition`. */
type Bound = (input: Omit<VideoDiTInput, 'condition'> & { condition: Tree }) => tf.Tensor;

/**
 * The network and its weak path with parameters bound, as objectives and samplers of @eflow/flow take them. Where the config
 * predicts 'data', its `solutionNetworks` comes in between. The parameters stay the caller's.
 */
export function bindVideoDiT(params: VideoDiTParams, config: VideoDiTConfig): { strong: Bound; weak: Bound } {
  return {
    strong: (input) => videoDiT(params, config, input as VideoDiTInput),
    weak: (input) => weakVideoDiT(params, config, input as VideoDiTInput),
  };
}

/**
 * What stands for "no condition", shaped like `condition`: labels are all `numClasses`, and the mask of a context or of words is all false. The
 * caller owns the tensors. Throws on a context without a mask.
 */
export function nullCondition(
  { numClasses = 0 }: Pick<VideoDiTConfig, 'numClasses'>,
  { labels, context, contextMask, words, wordMask }: VideoDiTCondition,
): VideoDiTCondition {
  if (context && !contextMask) {
    throw new Error(
      'nullCondition: the context has no contextMask; give one, [B, S] bool, as "no context" is a mask of false',
    );
  }
  return {
    ...(labels && { labels: tf.fill(labels.shape, numClasses, 'int32') }),
    ...(context && { context: tf.zerosLike(context) }),
    ...(contextMask && { contextMask: tf.zerosLike(contextMask) }),
    ...(words && { words: tf.zerosLike(words) }),
    ...(wordMask && { wordMask: tf.zerosLike(wordMask) }),
  };
}

/**
 * What a network is told of clips with these labels or captions: their words where it takes words, their labels where it has classes. The
 * caller owns the tensors. Throws where what it takes is missing, and as `readWords` does.
 */
export function readCondition(
  { words: encoder }: Pick<VideoDiTConfig, 'words'>,
  { labels, captions }: { labels?: ArrayLike<number>; captions?: readonly string[] },
): VideoDiTCondition {
  if (encoder) {
    if (!captions) throw new Error('readCondition: the network takes words; give captions');
    const { words, mask } = readWords(encoder.vocabulary, captions);
    return { words, wordMask: mask };
  }
  if (!labels) throw new Error('readCondition: the network takes no words; give labels');
  return { labels: tf.tensor1d(Int32Array.from(labels), 'int32') };
}
