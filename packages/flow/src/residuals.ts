import { stopGradient } from '@eflow/tensor';
import * as tf from '@tensorflow/tfjs-core';
import type { Term } from './objective-kind.ts';
import type { Weighting } from './options.ts';
import { perExample } from './path.ts';
import { asVelocity, type SolutionMap, velocityFactor } from './solution-map.ts';

/** The residual of the velocity, which every objective has. */
export const VELOCITY_LOSS = { name: 'velocityLoss', short: 'fm', label: 'Flow matching' } as const satisfies Term;

/** What a residual adds to the loss of its rows, [R], and its plain mean square for the log. */
export interface ResidualLoss {
  lossPerExample: tf.Tensor1D;
  meanSquare: tf.Scalar;
}

/** mean(d^2) over all axes but the first: d [B, ...] -> [B], owned by the caller. */
export function meanSquarePerExample(d: tf.Tensor): tf.Tensor1D {
  return tf.tidy(() => tf.mean(tf.reshape(tf.square(d), [d.shape[0]!, -1]), 1));
}

/** mean(d^2) as a constant, owned by the caller. */
export const meanSquare = (d: tf.Tensor): tf.Scalar => stopGradient(() => tf.mean<tf.Scalar>(meanSquarePerExample(d)));

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

/**
 * w(d) d^2 / |dB/ds| per example with d = N(x_t, t, t) dB/ds - v*, and its plain mean square for the log (the factor in the
 * weight is that of SoFlow's code). Prediction and target [V, ...]. The caller owns both tensors.
 */
export function velocityTerm(
  predicted: tf.Tensor,
  target: tf.Tensor,
  options: Weighting & { map: SolutionMap },
): ResidualLoss {
  return tf.tidy(() => {
    const factor = velocityFactor(options.map);
    const residual = tf.sub(asVelocity(predicted, options.map), target);
    const weighted = weightedSquare(residual, options);
    return {
      lossPerExample: factor === 1 ? weighted : tf.div<tf.Tensor1D>(weighted, factor),
      meanSquare: meanSquare(residual),
    };
  });
}
