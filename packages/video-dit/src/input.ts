import type { Grid } from '@eflow/attention';
import { assertShape } from '@eflow/tensor';
import * as tf from '@tensorflow/tfjs-core';
import { type ClipSize, type FullVideoDiTConfig, tokenGrid } from './config.ts';
import { clipSize } from './patchify.ts';

/** What a network is told of each of B clips, as its config asks for it; a network without classes leaves labels aside. */
export type VideoDiTCondition = {
  /** [B] int32 in [0, numClasses]; numClasses stands for "no class". */
  labels?: tf.Tensor;
  /** A sequence of vectors, [B, S, contextSize], such as a text's. */
  context?: tf.Tensor;
  /** Which of them are there, [B, S] bool; absent: all. A clip may have none. */
  contextMask?: tf.Tensor;
  /** Captions as places of their words in the vocabulary, [B, S] int32, as `readWords` of @eflow/text gives them. */
  words?: tf.Tensor;
  /** Which of them are there, [B, S] bool. A clip may have none. */
  wordMask?: tf.Tensor;
};

/** One call on B clips: see `NetworkInput` of @eflow/flow, which this is made for. */
export interface VideoDiTInput {
  /** x_t, [B, F, H, W, C]; any F, H and W that patches divide. */
  noisy: tf.Tensor;
  /** t, [B] in [0, 1]. */
  timestep: tf.Tensor;
  /** s, [B] in [0, t]. */
  targetTimestep: tf.Tensor;
  condition: VideoDiTCondition;
  /** Tokens that the middle sees, [B, K] int32; absent: all. */
  keptTokens?: tf.Tensor;
  /** Clips whose middle is skipped, [B] bool; absent: none. */
  pathDropped?: tf.Tensor;
  /** omega >= 1, [B], of a network with `guidanceInput`. */
  guidanceScale?: tf.Tensor;
}

/** The size of the clips and their tokens. Throws if shapes disagree with the config, or a condition is missing. */
export function checkInput(config: FullVideoDiTConfig, input: VideoDiTInput): { clip: ClipSize; grid: Grid } {
  const { condition, keptTokens, pathDropped, guidanceScale } = input;
  const clip = clipSize('videoDiT', config, input.noisy);
  const grid = tokenGrid(config, clip);
  const B = input.noisy.shape[0]!;
  assertShape('videoDiT', 'timestep', input.timestep, [B]);
  assertShape('videoDiT', 'targetTimestep', input.targetTimestep, [B]);
  checkCondition(config, condition, B);
  if (keptTokens) {
    const { K } = assertShape('videoDiT', 'keptTokens', keptTokens, [B, 'K']);
    const length = grid[0] * grid[1] * grid[2];
    if (K > length) throw new Error(`videoDiT: keptTokens is [${B}, ${K}]; the clips have ${length} tokens`);
  }
  if (pathDropped) assertShape('videoDiT', 'pathDropped', pathDropped, [B]);
  if ((guidanceScale !== undefined) !== config.guidanceInput) {
    throw new Error(
      guidanceScale
        ? 'videoDiT: the network takes no guidance scale; leave it out, or train a network with guidanceInput: true and a range of scales, such as objective.guidanceScale={ min: 1, max: 4 }'
        : `videoDiT: the network takes a guidance scale; give guidanceScale [${B}], or a sampler guidance: { scale: 2 }, or train with a range as the objective's guidanceScale`,
    );
  }
  if (guidanceScale) assertShape('videoDiT', 'guidanceScale', guidanceScale, [B]);
  return { clip, grid };
}

function checkCondition(config: FullVideoDiTConfig, condition: VideoDiTCondition, B: number): void {
  const { labels, context, contextMask, words, wordMask, ...others } = condition;
  if (condition instanceof tf.Tensor || Object.keys(others).length > 0) {
    const given = condition instanceof tf.Tensor ? 'a tensor' : `{ ${Object.keys(condition).join(', ')} }`;
    throw new Error(
      `videoDiT: condition is ${given}; expected no keys but labels, context, contextMask, words and wordMask`,
    );
  }
  if (config.numClasses > 0) {
    if (!labels)
      throw new Error(`videoDiT: the network has ${config.numClasses} classes; give condition.labels [${B}]`);
    assertShape('videoDiT', 'condition.labels', labels, [B]);
  }
  if ((context !== undefined) !== (config.contextSize !== undefined)) {
    throw new Error(
      context
        ? 'videoDiT: the network takes no context; leave it out, or set contextSize in its config'
        : `videoDiT: the network takes a context; give condition.context [${B}, S, ${config.contextSize}], with a contextMask of false for clips without`,
    );
  }
  if ((words !== undefined && wordMask !== undefined) !== (config.words !== undefined)) {
    throw new Error(
      config.words
        ? `videoDiT: the network takes words; give condition.words [${B}, S] and condition.wordMask, as readWords of @eflow/text makes them`
        : 'videoDiT: the network takes no words; leave them out, or set words in its config',
    );
  }
  if (words) {
    const { S } = assertShape('videoDiT', 'condition.words', words, [B, 'S']);
    assertShape('videoDiT', 'condition.wordMask', wordMask!, [B, S]);
  }
  if (context) {
    const { S } = assertShape('videoDiT', 'condition.context', context, [B, 'S', config.contextSize!]);
    if (contextMask) assertShape('videoDiT', 'condition.contextMask', contextMask, [B, S]);
  }
}

/** Checks labels before they reach the device. Throws, naming the first that is no integer in [0, numClasses]. */
export function assertLabels(labels: ArrayLike<number>, numClasses: number): void {
  for (let i = 0; i < labels.length; i++) {
    const label = labels[i]!;
    if (!Number.isInteger(label) || label < 0 || label > numClasses) {
      throw new Error(
        `assertLabels: label ${i} is ${label}; expected an integer from 0 to ${numClasses - 1}, or ${numClasses} for "no class"`,
      );
    }
  }
}
