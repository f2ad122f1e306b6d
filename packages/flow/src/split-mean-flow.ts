import { stopGradient } from '@eflow/tensor';
import * as tf from '@tensorflow/tfjs-core';
import { drawBatch, jumpOf, splitRows } from './draws.ts';
import { COMMON_DEFAULTS, type CommonOptions, meanSquare, velocityTerm } from './flow-matching.ts';
import { type GuidanceOptions, guidanceScaleAt } from './guidance.ts';
import { weightedSquare } from './loss-terms.ts';
import { finishLoss, type Objective } from './objective.ts';
import { type SolutionMap, semigroupDefect, solutionMap, velocityFactor } from './solution-map.ts';
import { targetVelocity } from './target-velocity.ts';
import { type LogitNormal, MIN_INTERVAL, sampleSortedTimes } from './time-sampler.ts';
import { trainedPass } from './trained-pass.ts';

export interface SplitMeanFlowOptions extends CommonOptions, GuidanceOptions {
  map: SolutionMap;
  /** Share of the rows with s = t, which train the velocity, in (0, 1). */
  velocityRatio: number;
  /** The larger of two draws is t of the other rows, the smaller s. */
  jumpTime: LogitNormal;
}

/** MeanFlow's times and guidance (arXiv 2505.13447), which SplitMeanFlow takes over. */
export const SPLIT_MEAN_FLOW_DEFAULTS = {
  ...COMMON_DEFAULTS,
  // Our choice: a new network's jumps agree with one another, so that the weight 1 / d^2 would raise their rows a hundredfold
  // over those that learn the velocity, and training diverges.
  weightPower: 0,
  map: 'euler',
  velocityTime: { mean: -0.4, std: 1 },
  jumpTime: { mean: -0.4, std: 1 },
  velocityRatio: 0.75,
  guidanceScale: 3,
  guidanceWarmup: 0,
  targetMixRatio: 0.25,
} satisfies SplitMeanFlowOptions;

/**
 * SplitMeanFlow (arXiv 2507.16884): flow matching in the velocity rows; in the others one long jump against the two short
 * ones that it is split into, t -> m -> s, and nothing else: EFlow's additivity as an objective of its own.
 *
 * Passes: one with gradient on all rows; without gradient one on the velocity rows for v_ref, and two on the jump rows, one
 * after the other.
 */
export function splitMeanFlow(options: SplitMeanFlowOptions): Objective {
  const { map, targetMixRatio: mu } = options;
  const factor = velocityFactor(map);
  return {
    scheduleAt: (progress) => ({ intervalRatio: 1, guidanceScale: guidanceScaleAt(progress, options) }),

    draw(stream, shape) {
      const { velocityRows } = splitRows(shape[0]!, options.velocityRatio);
      return drawBatch(stream, shape, velocityRows, options, (part, rows) =>
        sampleSortedTimes(part, rows, { time: options.jumpTime, gap: MIN_INTERVAL }),
      );
    },

    loss(networks, batch, draws, { guidanceScale }) {
      const { timestep: t, targetTimestep: s, middleTimestep: m } = jumpOf('splitMeanFlow', draws);
      return tf.tidy(() => {
        const rows = trainedPass('splitMeanFlow', networks, batch, draws, options);
        const { strong, noisy, predicted, velocityPart, jumpPart, jumpInput } = rows;
        const timestep = draws.velocityTimestep;
        const own = velocityPart(predicted);
        const reference = () =>
          strong({
            noisy: velocityPart(noisy),
            timestep,
            targetTimestep: timestep,
            condition: velocityPart(batch.nullCondition),
            ...(batch.keptTokens && { keptTokens: velocityPart(batch.keptTokens) }),
          });
        const target = targetVelocity(
          {
            timestep,
            velocity: velocityPart(rows.velocity),
            plain: velocityPart(rows.plain),
            ...(guidanceScale !== 1 && { reference: tf.mul(reference(), factor) }),
            ...(mu < 1 && { own: stopGradient(() => tf.mul(own, factor)) }),
          },
          guidanceScale,
          options,
        );

        const from = jumpPart(noisy);
        const first = strong(jumpInput(from, t, m));
        const second = strong(jumpInput(solutionMap(from, first, t, m, map), m, s));
        const defect = semigroupDefect(
          { noisy: from, long: jumpPart(predicted), first, second },
          { timestep: t, middleTimestep: m, targetTimestep: s },
          map,
        );
        const velocityLoss = velocityTerm(own, target, options);
        return finishLoss(
          tf.concat([velocityLoss.lossPerExample, weightedSquare(defect, options)]),
          { velocityLoss: velocityLoss.meanSquare, additivityLoss: meanSquare(defect) },
          rows.passes,
        );
      });
    },
  };
}
