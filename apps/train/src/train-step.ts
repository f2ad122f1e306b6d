import type { Batch } from '@eflow/data';
import { normalizePixels } from '@eflow/data';
import { compile } from '@eflow/engine';
import { drawEflow, eflowLoss, intervalRatio } from '@eflow/flow';
import { type AdamWCoefficients, clipByGlobalNorm, emaDecay, updateEma, uploadCoefficients } from '@eflow/optim';
import { bindNetworks, type RunConfig } from '@eflow/run';
import {
  createStream,
  disposeTree,
  type RandomStream,
  ravel,
  splitStream,
  uploadStream,
  valueAndGrad,
} from '@eflow/tensor';
import { type ClipSize, drawKeptTokens, keepRatioAt, tokenGrid, type VideoDiTConfig } from '@eflow/video-dit';
import * as tf from '@tensorflow/tfjs-core';
import { createOptimizer, type TrainState, type Weights } from './state.ts';

/** A batch on the device. */
export type DeviceBatch = {
  /** [B, F, H, W, C] in [-1, 1]. */
  data: tf.Tensor;
  /** [B] int32. */
  condition: tf.Tensor;
};

/** Hands a batch of clips of one channel to TensorFlow; the caller owns the tensors. */
export function upload(batch: Batch, { numFrames, height, width }: ClipSize): DeviceBatch {
  return {
    data: tf.tensor(normalizePixels(batch.pixels), [batch.labels.length, numFrames, height, width, 1]),
    condition: tf.tensor1d(batch.labels, 'int32'),
  };
}

interface StepLosses {
  loss: number;
  velocityLoss: number;
  solutionLoss: number;
  additivityLoss: number;
  gradNorm: number;
}

/** What a step depends on beside weights and batch; scalars where the step is compiled, as numbers would be part of it. */
type Schedule<Value = number | tf.Scalar> = {
  intervalRatio: Value;
  guidanceScale: Value;
  adamW: AdamWCoefficients<Value>;
  emaDecay: Value;
};

/**
 * One update: draws from (seed, step), the loss and its gradients, clipping, AdamW, EMA. Replaces the tensors in
 * `state`. Throws, leaving `state` as it was, if the loss or the gradient is not finite.
 */
export type TrainStep = (state: TrainState, batch: DeviceBatch) => StepLosses;

/** The update as one TensorFlow graph, compiled at its first call, or as single ops with `eager`. */
export function createTrainStep(
  config: RunConfig,
  network: VideoDiTConfig,
  unravel: TrainState['unravel'],
  { eager = false } = {},
): TrainStep {
  const { objective, optimizer, training, seed } = config;
  if (eager && training.precision !== 'float32') {
    throw new Error(
      `training.precision is ${training.precision}, which compiled steps alone can do; leave --eager out, or set training.precision=float32`,
    );
  }
  const adam = createOptimizer(config);
  const grid = tokenGrid(network, config.data);

  const scheduleAt = (step: number): Schedule<number> => ({
    intervalRatio: intervalRatio(step / training.steps, objective.intervalRatio),
    guidanceScale: guidanceScaleAt(step / training.steps, objective),
    adamW: adam.coefficients(step),
    emaDecay: emaDecay(step, { decay: optimizer.emaDecay, warmup: true }),
  });

  function applyGradient(gradient: tf.Tensor1D, weights: Weights, schedule: Schedule) {
    return tf.tidy(() => {
      const clipped = clipByGlobalNorm(gradient, optimizer.clipNorm);
      const updated = adam.update(clipped.grads, weights.optimizer, weights.params, schedule.adamW);
      const ema = updateEma(weights.ema, updated.params, schedule.emaDecay);
      return { gradNorm: clipped.norm, weights: { params: updated.params, ema, optimizer: updated.state } };
    });
  }
  // Many small ops on vectors of all parameters: XLA makes one pass over memory of them.
  const apply = eager ? applyGradient : compile(applyGradient, { name: 'apply gradient', xla: true });

  function update(keepRatio: number, stream: RandomStream, schedule: Schedule, weights: Weights, batch: DeviceBatch) {
    return tf.tidy(() => {
      const batchSize = batch.condition.size;
      const draws = drawEflow(splitStream(stream, 'draws'), batch.data.shape, schedule.intervalRatio, objective);
      const keptTokens =
        keepRatio < 1
          ? drawKeptTokens(splitStream(stream, 'keptTokens'), {
              batchSize,
              grid,
              keepRatio,
              pattern: objective.keepPattern,
            })
          : undefined;
      const options = { ...objective, guidanceScale: schedule.guidanceScale };
      const nullCondition = tf.fill([batchSize], network.numClasses, 'int32');
      const params = unravel(weights.params);
      const { values, grads } = valueAndGrad(
        () => eflowLoss(bindNetworks(params, network), { ...batch, nullCondition, keptTokens }, draws, options),
        params,
      );
      const gradient = ravel(grads).vector;
      disposeTree(grads);
      const { gradNorm, weights: next } = apply(gradient, weights, schedule);
      return { losses: { ...values, gradNorm }, weights: next };
    });
  }
  const compiled = compile(update, { name: 'train step', precision: training.precision, captures: 'refuse' });

  return (state, batch) => {
    const stream = splitStream(splitStream(createStream(seed), 'train'), state.step);
    const keepRatio = keepRatioAt(state.step / training.steps, objective);
    const { weights } = state;
    const { losses, weights: next } = eager
      ? update(keepRatio, stream, scheduleAt(state.step), weights, batch)
      : tf.tidy(() => {
          const schedule = uploadSchedule(scheduleAt(state.step), objective);
          return compiled(keepRatio, uploadStream(stream), schedule, weights, batch);
        });
    const read: StepLosses = {
      loss: take(losses.loss),
      velocityLoss: take(losses.velocityLoss),
      solutionLoss: take(losses.solutionLoss),
      additivityLoss: take(losses.additivityLoss),
      gradNorm: take(losses.gradNorm),
    };
    if (!Number.isFinite(read.loss) || !Number.isFinite(read.gradNorm)) {
      disposeTree(next);
      throw new Error(
        `step ${state.step}: the loss is ${read.loss} and its gradient's norm ${read.gradNorm}; no weight was changed. Lower optimizer.learningRate, or resume from the last checkpoint`,
      );
    }
    disposeTree(weights);
    state.weights = next;
    state.step++;
    return read;
  };
}

/** The caller owns the scalars. A guidance scale that is always 1 stays a number, which costs no weak pass. */
function uploadSchedule(schedule: Schedule<number>, { guidanceScale }: RunConfig['objective']): Schedule {
  return {
    intervalRatio: tf.scalar(schedule.intervalRatio),
    guidanceScale: guidanceScale === 1 ? 1 : tf.scalar(schedule.guidanceScale),
    adamW: uploadCoefficients(schedule.adamW),
    emaDecay: tf.scalar(schedule.emaDecay),
  };
}

/** The number in a scalar, which is disposed. */
function take(scalar: tf.Scalar): number {
  const value = scalar.dataSync()[0]!;
  scalar.dispose();
  return value;
}

/**
 * Our choice: guidance rises from none. While the weak path has learnt nothing, v - v_ref is v itself, and the guided
 * velocity would be a target twice too long, to be unlearnt later.
 */
function guidanceScaleAt(progress: number, { guidanceScale, guidanceWarmup }: RunConfig['objective']): number {
  return 1 + (guidanceScale - 1) * Math.min(1, progress / Math.max(guidanceWarmup, 1e-9));
}
