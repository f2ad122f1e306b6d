import type { Grid } from '@eflow/attention';
import { assertShape } from '@eflow/tensor';
import type * as tf from '@tensorflow/tfjs-core';
import { type ClipSize, tokenGrid, type VideoDiTConfig } from './config.ts';
import { clipSize } from './patchify.ts';

/** One call on B clips: see `NetworkInput` of @eflow/flow, which this is made for. */
export interface VideoDiTInput {
  /** x_t, [B, F, H, W, C]; any F, H and W that patches divide. */
  noisy: tf.Tensor;
  /** t, [B] in [0, 1]. */
  timestep: tf.Tensor;
  /** s, [B] in [0, t]. */
  targetTimestep: tf.Tensor;
  /** Labels, [B] int32 in [0, numClasses]; numClasses stands for "no class". A network without classes leaves it aside. */
  condition?: tf.Tensor;
  /** A sequence of vectors, [B, S, contextSize], for a network that takes one. */
  context?: tf.Tensor;
  /** Which of them are there, [B, S] bool; absent: all. A clip may have none. */
  contextMask?: tf.Tensor;
  /** Tokens that the middle sees, [B, K] int32; absent: all. */
  keptTokens?: tf.Tensor;
  /** Clips whose middle is skipped, [B] bool; absent: none. */
  pathDropped?: tf.Tensor;
}

/** The size of the clips and their tokens. Throws if shapes disagree with the config, or a condition is missing. */
export function checkInput(config: VideoDiTConfig, input: VideoDiTInput): { clip: ClipSize; grid: Grid } {
  const { condition, context, contextMask, keptTokens, pathDropped } = input;
  const clip = clipSize('videoDiT', config, input.noisy);
  const grid = tokenGrid(config, clip);
  const B = input.noisy.shape[0]!;
  assertShape('videoDiT', 'timestep', input.timestep, [B]);
  assertShape('videoDiT', 'targetTimestep', input.targetTimestep, [B]);
  if (config.numClasses > 0) {
    if (!condition)
      throw new Error(`videoDiT: the network has ${config.numClasses} classes; give condition, labels [${B}]`);
    assertShape('videoDiT', 'condition', condition, [B]);
  }
  if ((context !== undefined) !== (config.contextSize !== undefined)) {
    throw new Error(
      context
        ? 'videoDiT: the network takes no context; leave it out, or set contextSize in its config'
        : `videoDiT: the network takes a context; give [${B}, S, ${config.contextSize}], with a contextMask of false for clips without`,
    );
  }
  if (context) {
    const { S } = assertShape('videoDiT', 'context', context, [B, 'S', config.contextSize!]);
    if (contextMask) assertShape('videoDiT', 'contextMask', contextMask, [B, S]);
  }
  if (keptTokens) {
    const { K } = assertShape('videoDiT', 'keptTokens', keptTokens, [B, 'K']);
    const length = grid[0] * grid[1] * grid[2];
    if (K > length) throw new Error(`videoDiT: keptTokens is [${B}, ${K}]; the clips have ${length} tokens`);
  }
  if (pathDropped) assertShape('videoDiT', 'pathDropped', pathDropped, [B]);
  return { clip, grid };
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
