import { stopGradient } from '@eflow/tensor';
import * as tf from '@tensorflow/tfjs-core';
import { type DrawOptions, type EflowDraws, splitRows } from './eflow-draws.ts';
import { type GuidanceOptions, guidedVelocity } from './guidance.ts';
import { meanSquarePerExample, solutionSurrogate, type Weighting, weightedSquare } from './loss-terms.ts';
import type { Network, NetworkInput } from './network.ts';
import { interpolate, perExample, solutionMap } from './path.ts';
import type { IntervalRange } from './time-sampler.ts';

export interface EflowOptions extends DrawOptions, GuidanceOptions, Weighting {
  /** Whether the weak path, the guidance's reference, sees the condition. */
  weakCondition: 'null' | 'same';
  /** lambda of the mean-velocity additivity penalty; 0 leaves it and its two passes out. */
  additivityWeight: number;
}

/** SoFlow's published values (arXiv 2512.15657), its interval schedule with them; the additivity weight is our choice. */
export const EFLOW_DEFAULTS = {
  velocityRatio: 0.75,
  classDropoutProb: 0.1,
  pathDropProb: 0.1,
  velocityTime: { mean: -0.2, std: 1 },
  solutionTime: { mean: 0.2, std: 0.8 },
  targetTime: { mean: -1, std: 0.8 },
  intervalRatio: { start: 0.1, end: 0.002 },
  guidanceScale: 3,
  targetMixRatio: 0.25,
  weightPower: 1,
  weightEps: 0.01,
  weakCondition: 'null',
  additivityWeight: 0.1,
} satisfies EflowOptions & { intervalRatio: IntervalRange };

export interface EflowBatch {
  /** x_0, [B, ...]. */
  data: tf.Tensor;
  /** c, [B, ...]. */
  condition: tf.Tensor;
  /** What stands for "no condition", shaped like `condition`. */
  nullCondition: tf.Tensor;
  /** The token-drop draw that all passes on a row share, [B, K] int32; absent: no drop. */
  keptTokens?: tf.Tensor;
}

/** Scalars. `loss` is to be differentiated; the others are the plain mean squares of each residual, for the log. */
export type EflowLoss = {
  loss: tf.Scalar;
  velocityLoss: tf.Scalar;
  solutionLoss: tf.Scalar;
  additivityLoss: tf.Scalar;
};

/**
 * EFlow's objective (arXiv 2603.27086) on one batch: L = L_fm + L_sol + lambda L_mva.
 *
 * - Velocity rows, L_fm: N(x_t, t, t) against the guided velocity v*, whose reference is the weak path (path-drop
 *   guidance). Rows without condition and rows that train the weak path have the plain velocity as target.
 * - Solution rows, L_sol: g(x_t, t, s) against g(x_l, l, s), one small step along v* nearer to the data (SoFlow).
 * - Solution rows, L_mva: g(x_t, t, s) against the two short jumps t -> m -> s (mean-velocity additivity).
 *
 * Passes: one with gradient on all rows; without gradient the solution rows take three (one where lambda is 0), two of
 * them together, a mix ratio below 1 adds one on all rows, and the reference costs one of the weak path. The caller owns
 * the four scalars.
 */
export function eflowLoss(
  networks: { strong: Network; weak: Network },
  batch: EflowBatch,
  draws: EflowDraws,
  options: EflowOptions,
): EflowLoss {
  const { strong, weak } = networks;
  const { data, nullCondition, keptTokens } = batch;
  const batchSize = data.shape[0]!;
  const { velocityRows, solutionRows } = splitRows(batchSize, options.velocityRatio);
  const velocityPart = <T extends tf.Tensor>(x: T) => tf.slice(x, [0], [velocityRows]) as T;
  const solutionPart = <T extends tf.Tensor>(x: T) => tf.slice(x, [velocityRows], [solutionRows]) as T;

  return tf.tidy(() => {
    const { timestep: t, targetTimestep: s, nearTimestep: l, middleTimestep: m } = draws.solution;
    const timestep = tf.concat([draws.velocityTimestep, t]);
    const noisy = interpolate(data, draws.noise, timestep);
    const weakRow = options.weakCondition === 'null' ? draws.pathDropped : tf.zerosLike(draws.pathDropped);
    const unconditional = tf.logicalOr(draws.conditionDropped, weakRow);
    const condition = selectRows(unconditional, nullCondition, batch.condition);
    const target = targetVelocity({ strong, weak }, batch, draws, { timestep, noisy, condition }, options);

    const predicted = strong({
      noisy,
      timestep,
      targetTimestep: tf.concat([draws.velocityTimestep, s]),
      condition,
      keptTokens,
      pathDropped: draws.pathDropped,
    });
    const velocityResidual = tf.sub(velocityPart(predicted), velocityPart(target));

    const from = solutionPart(noisy);
    const meanVelocity = solutionPart(predicted);
    const longJump = solutionMap(from, meanVelocity, t, s);
    const additivity = options.additivityWeight > 0;
    const rows: Pick<NetworkInput, 'condition' | 'keptTokens'> = {
      condition: solutionPart(condition),
      keptTokens: keptTokens && solutionPart(keptTokens),
    };
    const jump = (x: tf.Tensor, start: tf.Tensor, end: tf.Tensor, of = rows) =>
      solutionMap(x, strong({ noisy: x, timestep: start, targetTimestep: end, ...of }), start, end);
    const twice = (x: tf.Tensor) => tf.concat([x, x]);

    // Constants: where the small step along v* leads, g(x_l, l, s), and the first of the two short jumps, g(x_t, t, m).
    // Neither waits for the other, so one pass on twice the rows makes both.
    const near = stopGradient(() => solutionMap(from, solutionPart(target), t, l));
    const targets = stopGradient(() =>
      additivity
        ? jump(tf.concat([near, from]), tf.concat([l, t]), tf.concat([s, m]), {
            condition: twice(rows.condition),
            keptTokens: rows.keptTokens && twice(rows.keptTokens),
          })
        : jump(near, l, s),
    );
    const solutionTarget = tf.slice(targets, [0], [solutionRows]);
    const solutionResidual = stopGradient(() =>
      tf.div(tf.sub(longJump, solutionTarget), perExample(tf.sub(t, l), from.rank)),
    );

    const velocityLoss = weightedSquare(velocityResidual, options);
    const solutionLoss = solutionSurrogate(meanVelocity, solutionResidual, options);
    const withoutAdditivity = {
      loss: tf.add<tf.Scalar>(velocityLoss, solutionLoss),
      velocityLoss: meanSquare(velocityResidual),
      solutionLoss: meanSquare(solutionResidual),
      additivityLoss: tf.scalar(0),
    };
    if (!additivity) return withoutAdditivity;

    const shortJumps = stopGradient(() => jump(tf.slice(targets, [solutionRows], [solutionRows]), m, s));
    const semigroupDefect = tf.div(tf.sub(longJump, shortJumps), perExample(tf.sub(t, s), from.rank));
    const additivityLoss = weightedSquare(semigroupDefect, options);
    return {
      ...withoutAdditivity,
      loss: tf.add<tf.Scalar>(withoutAdditivity.loss, tf.mul(additivityLoss, options.additivityWeight)),
      additivityLoss: meanSquare(semigroupDefect),
    };
  });
}

/** v* = mu v_cfg + (1 - mu) sg N(x_t, t, t, c), or the plain v in rows without condition or path; a constant, [B, ...]. */
function targetVelocity(
  { strong, weak }: { strong: Network; weak: Network },
  batch: EflowBatch,
  draws: EflowDraws,
  { timestep, noisy, condition }: { timestep: tf.Tensor; noisy: tf.Tensor; condition: tf.Tensor },
  options: EflowOptions,
): tf.Tensor {
  return stopGradient(() => {
    const at = { noisy, timestep, targetTimestep: timestep };
    const velocity = tf.sub(draws.noise, batch.data);
    const weakCondition = options.weakCondition === 'null' ? batch.nullCondition : condition;
    const guided =
      options.guidanceScale === 1
        ? velocity
        : guidedVelocity(velocity, weak({ ...at, condition: weakCondition }), timestep, options.guidanceScale);
    const mix = options.targetMixRatio;
    const mixed =
      mix === 1
        ? guided
        : tf.add(tf.mul(guided, mix), tf.mul(strong({ ...at, condition, keptTokens: batch.keptTokens }), 1 - mix));
    return selectRows(tf.logicalOr(draws.conditionDropped, draws.pathDropped), velocity, mixed);
  });
}

const selectRows = (rows: tf.Tensor, yes: tf.Tensor, no: tf.Tensor) => tf.where(perExample(rows, yes.rank), yes, no);

const meanSquare = (d: tf.Tensor) => stopGradient(() => tf.mean(meanSquarePerExample(d)) as tf.Scalar);
