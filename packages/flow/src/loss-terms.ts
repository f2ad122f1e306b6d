import { stopGradient } from '@eflow/tensor';
import * as tf from '@tensorflow/tfjs-core';
import { perExample } from './path.ts';

/** w(d) = 1 / (mean(d^2) + eps)^power, per example (MeanFlow: Geng et al., arXiv 2505.13447). */
export interface Weighting {
  /** 0 weighs all examples alike. */
  weightPower: number;
  /** > 0. */
  weightEps: number;
}

/** mean(d^2) over all axes but the first: d [B, ...] -> [B], owned by the caller. */
export function meanSquarePerExample(d: tf.Tensor): tf.Tensor1D {
  return tf.tidy(() => tf.mean(tf.reshape(tf.square(d), [d.shape[0]!, -1]), 1));
}

/** w(d) as a constant, [B], owned by the caller. */
export function adaptiveWeight(d: tf.Tensor, { weightPower, weightEps }: Weighting): tf.Tensor1D {
  return stopGradient(() => tf.pow(tf.add(meanSquarePerExample(d), weightEps), -weightPower));
}

/** w(d) mean(d^2) per example, w under stop-gradient: d [B, ...] -> [B], owned by the caller. */
export function weightedSquare(d: tf.Tensor, weighting: Weighting): tf.Tensor1D {
  return tf.tidy(() => tf.mul(adaptiveWeight(d, weighting), meanSquarePerExample(d)));
}

/**
 * SoFlow's surrogate per example, mean(sign(B) N . sg(dq w(dq))): its gradient with respect to N is that of the weighted
 * squared residual up to a positive factor per example; its value has no meaning. N and dq [B, ...]; B(t, s) < 0 as s < t,
 * in both forms of the map. [B], owned by the caller.
 */
export function solutionSurrogate(prediction: tf.Tensor, residual: tf.Tensor, weighting: Weighting): tf.Tensor1D {
  return tf.tidy(() => {
    const direction = stopGradient(() =>
      tf.mul(residual, perExample(adaptiveWeight(residual, weighting), residual.rank)),
    );
    const products = tf.reshape(tf.mul(prediction, direction), [prediction.shape[0]!, -1]);
    return tf.neg(tf.mean<tf.Tensor1D>(products, 1));
  });
}
