import {
  type AdamWCoefficients,
  type AdamWState,
  adamW,
  clipByGlobalNorm,
  emaDecay,
  updateEma,
  uploadCoefficients,
} from '@eflow/optim';
import { disposeTree, ravel, valueAndGrad } from '@eflow/tensor';
import { type VideoDiTConfig, type VideoDiTParams, videoDiT } from '@eflow/video-dit';
import * as tf from '@tensorflow/tfjs-core';

/** What a step changes, each as one vector of all parameters. */
export type StepState = { params: tf.Tensor1D; ema: tf.Tensor1D; optimizer: AdamWState<tf.Tensor1D> };

export type Batch = {
  /** x_t, [B, F, H, W, C]. */
  noisy: tf.Tensor;
  /** t and s, [B]. */
  timestep: tf.Tensor;
  targetTimestep: tf.Tensor;
  /** Labels, [B] int32. */
  condition: tf.Tensor;
  /** What the network should say, like `noisy`. */
  velocity: tf.Tensor;
  /** Tokens that the middle sees, [B, K] int32; absent: all. */
  keptTokens?: tf.Tensor;
};

const CLIP_NORM = 1;
const EMA_DECAY = 0.9999;
const optimizer = adamW({ learningRate: 1e-4, betas: [0.9, 0.99] });

export function initState(params: VideoDiTParams): {
  state: StepState;
  unravel: (vector: tf.Tensor1D) => VideoDiTParams;
} {
  const { vector, unravel } = ravel(params);
  return { state: { params: vector, ema: tf.clone(vector), optimizer: optimizer.init(vector) }, unravel };
}

/** What differs from step to step; tensors where the step is compiled, since numbers would be part of the graph. */
export type StepScalars<Value = number | tf.Scalar> = { adamW: AdamWCoefficients<Value>; emaDecay: Value };

/** Those of the step after `count` others. */
export const scalarsAt = (count: number): StepScalars<number> => ({
  adamW: optimizer.coefficients(count),
  emaDecay: emaDecay(count, { decay: EMA_DECAY }),
});

/** The same as tensors, which the caller owns. */
export const uploadScalars = ({ adamW, emaDecay }: StepScalars<number>): StepScalars<tf.Scalar> => ({
  adamW: uploadCoefficients(adamW),
  emaDecay: tf.scalar(emaDecay),
});

/** Clipping, AdamW and EMA, as apps/train has them. The caller owns the result, and still the arguments. */
export const applyGradient = (gradient: tf.Tensor1D, state: StepState, scalars: StepScalars) =>
  tf.tidy(() => {
    const clipped = clipByGlobalNorm(gradient, CLIP_NORM);
    const updated = optimizer.update(clipped.grads, state.optimizer, state.params, scalars.adamW);
    const ema = updateEma(state.ema, updated.params, scalars.emaDecay);
    return { gradNorm: clipped.norm, state: { params: updated.params, ema, optimizer: updated.state } };
  });

/**
 * One training step, as apps/train makes it but with a plain loss: forward, mean squared error of the velocity, backward,
 * and `apply`, which is applyGradient or that compiled. The caller owns the result, and still the arguments.
 */
export function step(
  { network, unravel, apply }: StepParts,
  state: StepState,
  batch: Batch,
  scalars: StepScalars,
): { state: StepState; loss: tf.Scalar; gradNorm: tf.Scalar } {
  return tf.tidy(() => {
    const params = unravel(state.params);
    const { values, grads } = valueAndGrad(
      () => ({ loss: tf.mean<tf.Scalar>(tf.squaredDifference(videoDiT(params, network, batch), batch.velocity)) }),
      params,
    );
    const gradient = ravel(grads).vector;
    disposeTree(grads);
    return { loss: values.loss, ...apply(gradient, state, scalars) };
  });
}

export interface StepParts {
  network: VideoDiTConfig;
  unravel: (vector: tf.Tensor1D) => VideoDiTParams;
  apply: typeof applyGradient;
}
