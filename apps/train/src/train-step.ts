import type { Batch } from '@eflow/data';
import { normalizePixels } from '@eflow/data';
import { drawEflow, eflowLoss } from '@eflow/flow';
import { clipByGlobalNorm, emaDecay, updateEma } from '@eflow/optim';
import { bindNetworks, type RunConfig } from '@eflow/run';
import { createStream, disposeTree, ravel, splitStream, valueAndGrad } from '@eflow/tensor';
import { countTokens, drawKeptTokens, type VideoDiTConfig } from '@eflow/video-dit';
import * as tf from '@tensorflow/tfjs-core';
import { createOptimizer, type TrainState } from './state.ts';

/** A batch on the device. */
export interface DeviceBatch {
  /** [B, F, H, W, C] in [-1, 1]. */
  data: tf.Tensor;
  /** [B] int32. */
  condition: tf.Tensor;
}

/** Hands a batch to TensorFlow; the caller owns the tensors. */
export function upload(batch: Batch, { numFrames, height, width, channels }: VideoDiTConfig): DeviceBatch {
  return {
    data: tf.tensor(normalizePixels(batch.pixels), [batch.labels.length, numFrames, height, width, channels]),
    condition: tf.tensor1d(batch.labels, 'int32'),
  };
}

export interface StepLosses {
  loss: number;
  velocityLoss: number;
  solutionLoss: number;
  additivityLoss: number;
  gradNorm: number;
}

/**
 * One update: draws from (seed, step), the loss and its gradients, clipping, AdamW, EMA. Replaces the tensors in
 * `state`. Throws, leaving `state` as it was, if the loss or the gradient is not finite.
 */
export function trainStep(
  config: RunConfig,
  network: VideoDiTConfig,
  state: TrainState,
  batch: DeviceBatch,
): StepLosses {
  const { objective, optimizer, training } = config;
  const batchSize = batch.condition.size;
  const stream = splitStream(splitStream(createStream(config.seed), 'train'), state.step);

  const { values, gradient } = tf.tidy(() => {
    const progress = state.step / training.steps;
    const draws = drawEflow(splitStream(stream, 'draws'), batch.data.shape, progress, objective);
    const keepRatio = keepRatioAt(progress, objective);
    const keptTokens =
      keepRatio < 1
        ? drawKeptTokens(splitStream(stream, 'keptTokens'), batchSize, countTokens(network), keepRatio)
        : undefined;
    const options = { ...objective, guidanceScale: guidanceScaleAt(progress, objective) };
    const nullCondition = tf.fill([batchSize], network.numClasses, 'int32');
    const params = state.unravel(state.params);
    const { values, grads } = valueAndGrad(
      () => eflowLoss(bindNetworks(params, network), { ...batch, nullCondition, keptTokens }, draws, options),
      params,
    );
    const gradient = tf.keep(ravel(grads).vector);
    disposeTree(grads);
    return { values, gradient };
  });
  const clipped = clipByGlobalNorm(gradient, optimizer.clipNorm);
  const losses: StepLosses = {
    loss: take(values.loss),
    velocityLoss: take(values.velocityLoss),
    solutionLoss: take(values.solutionLoss),
    additivityLoss: take(values.additivityLoss),
    gradNorm: take(clipped.norm),
  };
  gradient.dispose();
  if (!Number.isFinite(losses.loss) || !Number.isFinite(losses.gradNorm)) {
    clipped.grads.dispose();
    throw new Error(
      `step ${state.step}: the loss is ${losses.loss} and its gradient's norm ${losses.gradNorm}; no weight was changed. Lower optimizer.learningRate, or resume from the last checkpoint`,
    );
  }
  const updated = createOptimizer(config).update(clipped.grads, state.optimizer, state.params, state.step);
  const ema = updateEma(state.ema, updated.params, emaDecay(state.step, { decay: optimizer.emaDecay, warmup: true }));
  disposeTree([clipped.grads, state.params, state.optimizer, state.ema]);
  Object.assign(state, { params: updated.params, optimizer: updated.state, ema, step: state.step + 1 });
  return losses;
}

/** The number in a scalar, which is disposed. */
function take(scalar: tf.Scalar): number {
  const value = scalar.dataSync()[0]!;
  scalar.dispose();
  return value;
}

/** Tokens are dropped until the last stage of training, which is dense, as sampling is (SPRINT, arXiv 2510.21986). */
function keepRatioAt(progress: number, { keepRatio, denseTail }: RunConfig['objective']): number {
  return progress < 1 - denseTail ? keepRatio : 1;
}

/**
 * Our choice: guidance rises from none. While the weak path has learnt nothing, v - v_ref is v itself, and the guided
 * velocity would be a target twice too long, to be unlearnt later.
 */
function guidanceScaleAt(progress: number, { guidanceScale, guidanceWarmup }: RunConfig['objective']): number {
  return 1 + (guidanceScale - 1) * Math.min(1, progress / Math.max(guidanceWarmup, 1e-9));
}
