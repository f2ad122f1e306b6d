import { stopGradient } from '@eflow/tensor';
import * as tf from '@tensorflow/tfjs-core';
import { drawBatch, jumpOf, splitRows } from './draws.ts';
import { COMMON_DEFAULTS, type CommonOptions, meanSquare, velocityTerm } from './flow-matching.ts';
import { type GuidanceOptions, guidanceScaleAt } from './guidance.ts';
import { solutionSurrogate, weightedSquare } from './loss-terms.ts';
import { callTogether, finishLoss, type Objective } from './objective.ts';
import { perExample } from './path.ts';
import { differenceQuotient, type SolutionMap, semigroupDefect, solutionMap, velocityFactor } from './solution-map.ts';
import { targetVelocity } from './target-velocity.ts';
import { type IntervalRange, intervalRatio, type LogitNormal, sampleSolutionTimes } from './time-sampler.ts';
import { trainedPass } from './trained-pass.ts';

export interface SolutionFlowOptions extends CommonOptions, GuidanceOptions {
  map: SolutionMap;
  /** Share of the rows that train the velocity, in (0, 1); the others train the solution map. */
  velocityRatio: number;
  /** t of the solution rows. */
  solutionTime: LogitNormal;
  /** s of the solution rows. */
  targetTime: LogitNormal;
  /** Distance of t and l as a share of that of t and s, over the training. */
  intervalRatio: IntervalRange;
}

export interface EflowOptions extends SolutionFlowOptions {
  /**
   * v_ref of the guided velocity: `weak-path`, which is path-drop guidance (encoder and decoder alone, about a third of a
   * pass), or `unconditional`, a full pass without the condition (SoFlow), which `classDropoutProb` above 0 trains.
   */
  guidanceReference: 'weak-path' | 'unconditional';
  /** Whether the weak path, as a reference and where it is trained, sees the condition. */
  weakCondition: 'null' | 'same';
  /** lambda >= 0 of the mean-velocity additivity penalty; 0 leaves it and its two passes out. */
  additivityWeight: number;
}

/** SoFlow's published values for ImageNet (arXiv 2512.15657). */
export const SOLUTION_FLOW_DEFAULTS = {
  ...COMMON_DEFAULTS,
  map: 'euler',
  velocityRatio: 0.75,
  solutionTime: { mean: 0.2, std: 0.8 },
  targetTime: { mean: -1, std: 0.8 },
  intervalRatio: { start: 0.1, end: 0.002 },
  guidanceScale: 3,
  guidanceWarmup: 0,
  targetMixRatio: 0.25,
} satisfies SolutionFlowOptions;

/**
 * SoFlow's values, SPRINT's share of dropped paths (arXiv 2510.21986). Our choice: the additivity weight, and that no row of the
 * strong path loses its condition: guidance asks the weak path alone what there is without one (docs/decisions/0016).
 */
export const EFLOW_DEFAULTS = {
  ...SOLUTION_FLOW_DEFAULTS,
  classDropoutProb: 0,
  pathDropProb: 0.1,
  guidanceReference: 'weak-path',
  weakCondition: 'null',
  additivityWeight: 0.1,
} satisfies EflowOptions;

/**
 * SoFlow (arXiv 2512.15657): flow matching in the velocity rows and, in the others, g(x_t, t, s) against g(x_l, l, s), one
 * small step along v* nearer to the data. Its guidance takes a full pass without the condition.
 *
 * Passes with mu < 1: one with gradient on all rows; without gradient one on all rows for v_ref, and two on the solution rows.
 */
export function solutionFlow(options: SolutionFlowOptions): Objective {
  return createSolutionFlow('solutionFlow', {
    ...options,
    guidanceReference: 'unconditional',
    weakCondition: 'null',
    additivityWeight: 0,
  });
}

/**
 * EFlow (arXiv 2603.27086): SoFlow's loss with path-drop guidance in place of a full pass (`guidanceReference`), and with
 * mean-velocity additivity, g(x_t, t, s) against the two short jumps t -> m -> s (`additivityWeight`); each has its switch.
 *
 * Passes with the defaults: one with gradient on all rows; without gradient the weak path on all rows, and four on the
 * solution rows, two calls of two together (two where lambda is 0; one fewer where mu is 1).
 */
export const eflow = (options: EflowOptions): Objective => createSolutionFlow('eflow', options);

function createSolutionFlow(name: string, options: EflowOptions): Objective {
  const { map, targetMixRatio: mu } = options;
  const additivity = options.additivityWeight > 0;
  const factor = velocityFactor(map);
  const asVelocity = (prediction: tf.Tensor) => (factor === 1 ? prediction : tf.mul(prediction, factor));

  return {
    scheduleAt: (progress) => ({
      intervalRatio: intervalRatio(progress, options.intervalRatio),
      guidanceScale: guidanceScaleAt(progress, options),
    }),

    draw(stream, shape, schedule) {
      const { velocityRows } = splitRows(shape[0]!, options.velocityRatio);
      return drawBatch(stream, shape, velocityRows, options, (part, rows) =>
        sampleSolutionTimes(part, rows, {
          time: options.solutionTime,
          targetTime: options.targetTime,
          ratio: schedule.intervalRatio,
        }),
      );
    },

    loss(networks, batch, draws, { guidanceScale }) {
      const { timestep: t, targetTimestep: s, nearTimestep: l, middleTimestep: m } = jumpOf(name, draws);
      return tf.tidy(() => {
        const rows = trainedPass(name, networks, batch, draws, options);
        const { strong, weak, noisy, timestep, condition, predicted, velocityPart, jumpPart, jumpInput } = rows;
        const from = jumpPart(noisy);

        // Passes on the solution rows, off the tape. The first: the network's own velocity at t, and the first short jump.
        const fromT = [...(mu < 1 ? [jumpInput(from, t, t)] : []), ...(additivity ? [jumpInput(from, t, m)] : [])];
        const predictionsAtT = fromT.length > 0 ? callTogether(strong, fromT) : [];
        const ownVelocity = mu < 1 ? predictionsAtT[0] : undefined;
        const first = additivity ? predictionsAtT.at(-1) : undefined;

        const reference = () => {
          const at = { noisy, timestep, targetTimestep: timestep };
          const nothing = batch.nullCondition;
          return options.guidanceReference === 'weak-path'
            ? weak({ ...at, condition: options.weakCondition === 'null' ? nothing : condition })
            : strong({ ...at, condition: nothing, keptTokens: batch.keptTokens });
        };
        const target = targetVelocity(
          {
            ...rows,
            ...(guidanceScale !== 1 && { reference: asVelocity(reference()) }),
            // In the velocity rows the trained pass is the network's velocity at t already.
            ...(ownVelocity && {
              own: stopGradient(() => asVelocity(tf.concat([velocityPart(predicted), ownVelocity]))),
            }),
          },
          guidanceScale,
          options,
        );

        // The second: from x_l, one small step along v* nearer to the data, to s; and the second short jump.
        const velocity = jumpPart(target);
        const near = tf.add(from, tf.mul(perExample(tf.sub(l, t), from.rank), velocity));
        const middle = first && solutionMap(from, first, t, m, map);
        const [predictionL, second] = callTogether(strong, [
          jumpInput(near, l, s),
          ...(middle ? [jumpInput(middle, m, s)] : []),
        ]);

        const predictionT = jumpPart(predicted);
        const quotient = stopGradient(() =>
          differenceQuotient(
            { noisy: from, velocity, predictionT, predictionL: predictionL! },
            { timestep: t, nearTimestep: l, targetTimestep: s },
            map,
          ),
        );
        const velocityLoss = velocityTerm(velocityPart(predicted), velocityPart(target), options);
        const solutionLoss = solutionSurrogate(predictionT, quotient, options);
        const terms = { velocityLoss: velocityLoss.meanSquare, solutionLoss: meanSquare(quotient) };
        if (!first || !second) {
          return finishLoss(tf.concat([velocityLoss.lossPerExample, solutionLoss]), terms, rows.passes);
        }
        const defect = semigroupDefect(
          { noisy: from, long: predictionT, first, second },
          { timestep: t, middleTimestep: m, targetTimestep: s },
          map,
        );
        const additivityLoss = tf.mul<tf.Tensor1D>(weightedSquare(defect, options), options.additivityWeight);
        return finishLoss(
          tf.concat([velocityLoss.lossPerExample, tf.add<tf.Tensor1D>(solutionLoss, additivityLoss)]),
          { ...terms, additivityLoss: meanSquare(defect) },
          rows.passes,
        );
      });
    },
  };
}
