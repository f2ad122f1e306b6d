import type { Batch } from '@eflow/data';
import { compile } from '@eflow/engine';
import { createObjective } from '@eflow/flow';
import { countMicroBatches, type RunConfig } from '@eflow/run';
import { uploadClips } from '@eflow/tensor';
import { createVideoDiTStep } from '@eflow/train';
import { type FullVideoDiTConfig, readCondition, type VideoDiTCondition, type VideoDiTConfig } from '@eflow/video-dit';
import type * as tf from '@tensorflow/tfjs-core';
import { createOptimizer } from './state.ts';

/** A batch on the device. */
export type DeviceBatch = {
  /** [B, F, H, W, C] in [-1, 1]. */
  data: tf.Tensor;
  condition: VideoDiTCondition;
};

/** Hands a batch of clips to TensorFlow, with what the network is told of them; the caller owns the tensors. */
export const upload = (network: VideoDiTConfig, batch: Batch): DeviceBatch => ({
  data: uploadClips(batch),
  condition: readCondition(network, batch),
});

/** The training step of a run's config: one TensorFlow graph, compiled at its first call, or single ops with `eager`. */
export function createRunStep(config: RunConfig, network: FullVideoDiTConfig, { eager = false } = {}) {
  const { optimizer, seed, training } = config;
  const { keepRatio, keepPattern, denseTail, precision, spikeDeviations, steps, branches } = training;
  if (eager && precision !== 'float32') {
    throw new Error(
      `training.precision is ${precision}, which compiled steps alone can do; leave --eager out, or set training.precision=float32`,
    );
  }
  return createVideoDiTStep(network, {
    totalSteps: steps,
    objective: createObjective(config.objective),
    optimizer: createOptimizer(config, network),
    clipNorm: optimizer.clipNorm,
    emaDecay: optimizer.emaDecay,
    seed,
    keepRatio,
    keepPattern,
    denseTail,
    microBatches: countMicroBatches(training),
    branches,
    spikeDeviations,
    ...(!eager && { compile: (fn, hints) => compile(fn, { ...hints, precision }) }),
  });
}
