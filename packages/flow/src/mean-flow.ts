import { stopGradient } from '@eflow/tensor';
import * as tf from '@tensorflow/tfjs-core';
import { drawBatch, jumpOf, splitRows } from './draws.ts';
import { COMMON_DEFAULTS, type CommonOptions, meanSquare, velocityTerm } from './flow-matching.ts';
import { type GuidanceOptions, guidanceScaleAt } from './guidance.ts';
import { weightedSquare } from './loss-terms.ts';
import { callTogether, finishLoss, type Objective } from './objective.ts';
import { perExample } from './path.ts';
import { targetVelocity } from './target-velocity.ts';
import { type LogitNormal, sampleSortedTimes } from './time-sampler.ts';
import { trainedPass } from './trained-pass.ts';

export interface MeanFlowOptions extends CommonOptions, GuidanceOptions {
  /** Share of the rows with s = t, which train the velocity, in (0, 1). */
  velocityRatio: number;
  /** The larger of two draws is t of the other rows, the smaller s. */
  jumpTime: LogitNormal;
  /** Half of what t is moved by for du/dt, in (0, 1/3). */
  differenceStep: number;
}

/** MeanFlow's values for ImageNet (arXiv 2505.13447, table 4); the step of the difference is TiM's (arXiv 2509.04394). */
export const MEAN_FLOW_DEFAULTS = {
  ...COMMON_DEFAULTS,
  velocityTime: { mean: -0.4, std: 1 },
  jumpTime: { mean: -0.4, std: 1 },
  velocityRatio: 0.75,
  differenceStep: 0.005,
  guidanceScale: 3,
  guidanceWarmup: 0,
  targetMixRatio: 0.25,
} satisfies MeanFlowOptions;

/**
 * MeanFlow (Geng et al., arXiv 2505.13447): the mean velocity against sg(v* - (t - s) du/dt), in Euler form. du/dt along
 * the path is a Jacobian-vector product there; TensorFlow.js has no forward-mode derivative, so it is a central difference
 * here, (u(x_t + h v*, t + h, s) - u(x_t - h v*, t - h, s)) / 2h, exact up to h^2. v* is guided as SoFlow's is, which is
 * MeanFlow's own form: its omega is mu omega here and its kappa 1 - mu.
 *
 * Passes with mu < 1: one with gradient on all rows; without gradient one on all rows for v_ref, and three on the jump rows.
 * Throws on a differenceStep out of range.
 */
export function meanFlow(options: MeanFlowOptions): Objective {
  const { targetMixRatio: mu, differenceStep: h } = options;
  if (!(h > 0 && h < 1 / 3)) {
    throw new Error(`meanFlow: differenceStep is ${h}; expected a number in (0, 1/3), such as 0.005`);
  }
  return {
    scheduleAt: (progress) => ({ intervalRatio: 1, guidanceScale: guidanceScaleAt(progress, options) }),

    draw(stream, shape) {
      const { velocityRows } = splitRows(shape[0]!, options.velocityRatio);
      return drawBatch(stream, shape, velocityRows, options, (part, rows) =>
        sampleSortedTimes(part, rows, { time: options.jumpTime, gap: h }),
      );
    },

    loss(networks, batch, draws, { guidanceScale }) {
      const { timestep: t, targetTimestep: s } = jumpOf('meanFlow', draws);
      return tf.tidy(() => {
        const rows = trainedPass('meanFlow', networks, batch, draws, options);
        const { strong, noisy, timestep, predicted, velocityPart, jumpPart, jumpInput } = rows;
        const { nullCondition: condition, keptTokens } = batch;
        const from = jumpPart(noisy);
        const own = mu < 1 ? strong(jumpInput(from, t, t)) : undefined;
        const target = targetVelocity(
          {
            ...rows,
            ...(guidanceScale !== 1 && {
              reference: strong({ noisy, timestep, targetTimestep: timestep, condition, keptTokens }),
            }),
            // In the velocity rows the trained pass is the network's velocity at t already.
            ...(own && { own: stopGradient(() => tf.concat([velocityPart(predicted), own])) }),
          },
          guidanceScale,
          options,
        );

        const velocity = jumpPart(target);
        const moved = (by: number) => jumpInput(tf.add(from, tf.mul(velocity, by)), tf.add(t, by), s);
        const [later, earlier] = callTogether(strong, [moved(h), moved(-h)]);
        const derivative = tf.div(tf.sub(later!, earlier!), 2 * h);
        const jumpTarget = tf.sub(velocity, tf.mul(perExample(tf.sub(t, s), from.rank), derivative));

        const residual = tf.sub(jumpPart(predicted), jumpTarget);
        const velocityLoss = velocityTerm(velocityPart(predicted), velocityPart(target), { ...options, map: 'euler' });
        return finishLoss(
          tf.concat([velocityLoss.lossPerExample, weightedSquare(residual, options)]),
          { velocityLoss: velocityLoss.meanSquare, meanVelocityLoss: meanSquare(residual) },
          rows.passes,
        );
      });
    },
  };
}
