import { stopGradient } from '@eflow/tensor';
import * as tf from '@tensorflow/tfjs-core';
import { perExample } from './path.ts';

/** w(d) = 1 / (mean(d^2) + eps)^power, per example (method: Geng et al., arXiv 2505.13447). */
export interface Weighting {
  weightPower: number;
  weightEps: number;
}

/** mean(d^2) over all axes but the first: d [B, ...] -> [B], owned by the caller. */
export function meanSquarePerExample(d: tf.Tensor): tf.Tensor {
  return tf.tidy(() => tf.mean(tf.reshape(tf.square(d), [d.shape[0]!, -1]), 1));
}

/** w(d) as a constant, [B], owned by the caller. */
export function adaptiveWeight(d: tf.Tensor, { weightPower, weightEps }: Weighting): tf.Tensor {
  return stopGradient(() => tf.pow(tf.add(meanSquarePerExample(d), weightEps), -weightPower));
}

/** mean over the batch of w(d) mean(d^2), w under stop-gradient: a scalar, owned by the caller. */
export function weightedSquare(d: tf.Tensor, weighting: Weighting): tf.Scalar {
  return tf.tidy(() => tf.mean(tf.mul(adaptiveWeight(d, weighting), meanSquarePerExample(d))) as tf.Scalar);
}

/**
 * SoFlow's surrogate, mean(sign(s - t) N . sg(dq w(dq))): its gradient with respect to N is that of the weighted
 * squared residual up to a positive factor per example; its value has no meaning. N and dq [B, ...]; s < t, so the
 * sign is -1. A scalar, owned by the caller.
 */
export function solutionSurrogate(meanVelocity: tf.Tensor, residual: tf.Tensor, weighting: Weighting): tf.Scalar {
  return tf.tidy(() => {
    const direction = stopGradient(() =>
      tf.mul(residual, perExample(adaptiveWeight(residual, weighting), residual.rank)),
    );
    return tf.neg(tf.mean(tf.mul(meanVelocity, direction))) as tf.Scalar;
  });
}
