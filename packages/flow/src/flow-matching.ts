import { stopGradient } from '@eflow/tensor';
import * as tf from '@tensorflow/tfjs-core';
import { type DrawOptions, drawBatch } from './draws.ts';
import { meanSquarePerExample, type Weighting, weightedSquare } from './loss-terms.ts';
import { finishLoss, type Objective } from './objective.ts';
import type { Path } from './path.ts';
import { type SolutionMap, velocityFactor } from './solution-map.ts';
import { trainedPass } from './trained-pass.ts';

/** What every objective has. */
export interface CommonOptions extends DrawOptions, Weighting {
  path: Path;
}

export interface FlowMatchingOptions extends CommonOptions {
  /** The form that `solutionMap` gives the prediction at sampling; here it scales N to a velocity. */
  map: SolutionMap;
}

/** SoFlow's times and weighting (arXiv 2512.15657). */
export const COMMON_DEFAULTS = {
  path: 'linear',
  classDropoutProb: 0.1,
  pathDropProb: 0,
  velocityTime: { mean: -0.2, std: 1 },
  weightPower: 1,
  weightEps: 0.01,
} satisfies CommonOptions;

export const FLOW_MATCHING_DEFAULTS = { ...COMMON_DEFAULTS, map: 'euler' } satisfies FlowMatchingOptions;

/**
 * Flow matching (Lipman et al., arXiv 2210.02747): N(x_t, t, t, c) against the velocity of the path, in every row; guidance
 * comes in when sampling. Rows whose path is dropped train the weak path, which has no condition (SPRINT, arXiv
 * 2510.21986). One pass with gradient.
 */
export function flowMatching(options: FlowMatchingOptions): Objective {
  return {
    scheduleAt: () => ({ intervalRatio: 1, guidanceScale: 1 }),
    draw: (stream, shape) => drawBatch(stream, shape, shape[0]!, options),
    loss: (networks, batch, draws) =>
      tf.tidy(() => {
        const { passes, predicted, velocity } = trainedPass('flowMatching', networks, batch, draws, options);
        const { lossPerExample, meanSquare } = velocityTerm(predicted, velocity, options);
        return finishLoss(lossPerExample, { velocityLoss: meanSquare }, passes);
      }),
  };
}

/**
 * w(d) d^2 / |dB/ds| per example with d = N(x_t, t, t) dB/ds - v*, and its plain mean square for the log (the factor in the
 * weight is that of SoFlow's code). Prediction and target [V, ...]. The caller owns both tensors.
 */
export function velocityTerm(
  predicted: tf.Tensor,
  target: tf.Tensor,
  options: Weighting & { map: SolutionMap },
): { lossPerExample: tf.Tensor1D; meanSquare: tf.Scalar } {
  return tf.tidy(() => {
    const factor = velocityFactor(options.map);
    const residual = tf.sub(factor === 1 ? predicted : tf.mul(predicted, factor), target);
    const weighted = weightedSquare(residual, options);
    return {
      lossPerExample: factor === 1 ? weighted : tf.div(weighted, factor),
      meanSquare: meanSquare(residual),
    };
  });
}

/** mean(d^2) as a constant, owned by the caller. */
export const meanSquare = (d: tf.Tensor): tf.Scalar => stopGradient(() => tf.mean<tf.Scalar>(meanSquarePerExample(d)));
