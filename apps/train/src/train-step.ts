import type { Batch } from '@eflow/data';
import { normalizePixels } from '@eflow/data';
import { compile } from '@eflow/engine';
import { createObjective, type LossTerm, type ObjectiveSchedule } from '@eflow/flow';
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
import { judge } from './guard.ts';
import { createOptimizer, type TrainState, type Weights } from './state.ts';

/** A batch on the device. */
export type DeviceBatch = {
  /** [B, F, H, W, C] in [-1, 1]. */
  data: tf.Tensor;
  /** [B] int32. */
  condition: tf.Tensor;
};

/** Hands a batch of clips to TensorFlow; the caller owns the tensors. */
export function upload({ pixels, labels }: Batch, { numFrames, height, width }: ClipSize): DeviceBatch {
  const shape = [labels.length, numFrames, height, width];
  const channels = pixels.length / shape.reduce((product, size) => product * size);
  return {
    data: tf.tensor(normalizePixels(pixels), [...shape, channels]),
    condition: tf.tensor1d(labels, 'int32'),
  };
}

/** The loss, each of its terms that the objective has, and the gradient's norm. */
type StepLosses = { loss: number; gradNorm: number; velocityLoss: number } & Partial<Record<LossTerm, number>>;

/** What a step depends on beside weights and batch; scalars where the step is compiled, as numbers would be part of it. */
type Schedule<Value = number | tf.Scalar> = {
  objective: ObjectiveSchedule<Value>;
  adamW: AdamWCoefficients<Value>;
  emaDecay: Value;
};

/**
 * One update: draws from (seed, step), the loss and its gradients, clipping, AdamW, EMA. Replaces the tensors in `state`
 * and counts the step. Where the guard refuses the update, `skipped` says why, and no weight has been changed.
 */
export type TrainStep = (state: TrainState, batch: DeviceBatch) => StepLosses & { skipped?: string };

/** The update as one TensorFlow graph, compiled at its first call, or as single ops with `eager`. */
export function createTrainStep(
  config: RunConfig,
  network: VideoDiTConfig,
  unravel: TrainState['unravel'],
  { eager = false } = {},
): TrainStep {
  const { optimizer, training, seed } = config;
  const objective = createObjective(config.objective);
  if (eager && training.precision !== 'float32') {
    throw new Error(
      `training.precision is ${training.precision}, which compiled steps alone can do; leave --eager out, or set training.precision=float32`,
    );
  }
  const adam = createOptimizer(config);
  const grid = tokenGrid(network, config.data);

  const scheduleAt = (step: number): Schedule<number> => ({
    objective: objective.scheduleAt(step / training.steps),
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
      const draws = objective.draw(splitStream(stream, 'draws'), batch.data.shape, schedule.objective);
      const keptTokens =
        keepRatio < 1
          ? drawKeptTokens(splitStream(stream, 'keptTokens'), {
              batchSize,
              grid,
              keepRatio,
              pattern: config.objective.keepPattern,
            })
          : undefined;
      const nullCondition = tf.fill([batchSize], network.numClasses, 'int32');
      const params = unravel(weights.params);
      const { values, grads } = valueAndGrad(() => {
        const networks = bindNetworks(params, network);
        const given = { ...batch, nullCondition, ...(keptTokens && { keptTokens }) };
        const { loss, terms } = objective.loss(networks, given, draws, schedule.objective);
        return { loss, ...terms };
      }, params);
      const gradient = ravel(grads).vector;
      disposeTree(grads);
      const { gradNorm, weights: next } = apply(gradient, weights, schedule);
      return { losses: { ...values, gradNorm }, weights: next };
    });
  }
  const compiled = compile(update, { name: 'train step', precision: training.precision, captures: 'refuse' });

  return (state, batch) => {
    const stream = splitStream(splitStream(createStream(seed), 'train'), state.step);
    const keepRatio = keepRatioAt(state.step / training.steps, config.objective);
    const { weights } = state;
    const { losses, weights: next } = eager
      ? update(keepRatio, stream, scheduleAt(state.step), weights, batch)
      : tf.tidy(() => {
          const schedule = uploadSchedule(scheduleAt(state.step), config);
          return compiled(keepRatio, uploadStream(stream), schedule, weights, batch);
        });
    const read = Object.fromEntries(Object.entries(losses).map(([name, x]) => [name, take(x)])) as StepLosses;
    const { reason, guard } = judge(read, state.guard, training.spikeDeviations);
    disposeTree(reason === undefined ? weights : next);
    if (reason === undefined) state.weights = next;
    state.guard = guard;
    state.step++;
    return { ...read, ...(reason !== undefined && { skipped: reason }) };
  };
}

/** The caller owns the scalars. A guidance scale that is always 1 stays a number, which costs no weak pass. */
function uploadSchedule(schedule: Schedule<number>, { objective }: RunConfig): Schedule {
  const { intervalRatio, guidanceScale } = schedule.objective;
  const isGuided = 'guidanceScale' in objective && objective.guidanceScale !== 1;
  return {
    objective: {
      intervalRatio: tf.scalar(intervalRatio),
      guidanceScale: isGuided ? tf.scalar(guidanceScale) : guidanceScale,
    },
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
