import type { Batch } from '@eflow/data';
import { compile } from '@eflow/engine';
import { createObjective } from '@eflow/flow';
import { bindNetworks, type RunConfig } from '@eflow/run';
import { splitStream, uploadClips } from '@eflow/tensor';
import { createTrainStep, objectiveLoss } from '@eflow/train';
import { drawKeptTokens, type FullVideoDiTConfig, keepRatioAt, tokenGrid } from '@eflow/video-dit';
import * as tf from '@tensorflow/tfjs-core';
import { createOptimizer, type RunState } from './state.ts';

/** A batch on the device. */
export type DeviceBatch = {
  /** [B, F, H, W, C] in [-1, 1]. */
  data: tf.Tensor;
  /** [B] int32. */
  condition: { labels: tf.Tensor };
};

/** Hands a batch of clips to TensorFlow; the caller owns the tensors. */
export const upload = (batch: Batch): DeviceBatch => ({
  data: uploadClips(batch),
  condition: { labels: tf.tensor1d(batch.labels, 'int32') },
});

/** The training step of a run's config: one TensorFlow graph, compiled at its first call, or single ops with `eager`. */
export function createRunStep(
  config: RunConfig,
  network: FullVideoDiTConfig,
  unravel: RunState['unravel'],
  { eager = false } = {},
) {
  const { optimizer, seed, training } = config;
  const { keepPattern: pattern, precision, spikeDeviations, steps } = training;
  if (eager && precision !== 'float32') {
    throw new Error(
      `training.precision is ${precision}, which compiled steps alone can do; leave --eager out, or set training.precision=float32`,
    );
  }
  const objective = createObjective(config.objective);
  const grid = tokenGrid(network, config.data);

  return createTrainStep({
    unravel,
    optimizer: createOptimizer(config),
    clipNorm: optimizer.clipNorm,
    emaDecay: optimizer.emaDecay,
    seed,
    scheduleAt: (step) => objective.scheduleAt(step / steps),
    fixedAt: (step) => ({ keepRatio: keepRatioAt(step / steps, training) }),
    spikeDeviations,
    loss: (params, { data, condition }: DeviceBatch, { stream, schedule, fixed: { keepRatio } }) => {
      const batchSize = condition.labels.size;
      const nullCondition = { labels: tf.fill([batchSize], network.numClasses, 'int32') };
      const keptTokens =
        keepRatio < 1
          ? drawKeptTokens(splitStream(stream, 'keptTokens'), { batchSize, grid, keepRatio, pattern })
          : undefined;
      const batch = { data, condition, nullCondition, keptTokens };
      return objectiveLoss(objective, bindNetworks(params, network), batch, { stream, schedule });
    },
    ...(!eager && { compile: (fn, hints) => compile(fn, { ...hints, precision }) }),
  });
}
