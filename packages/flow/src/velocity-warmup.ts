import type { RandomStream } from '@eflow/tensor';
import * as tf from '@tensorflow/tfjs-core';
import { type Draws, drawBatch } from './draws.ts';
import { drawGuidanceScale } from './guidance.ts';
import {
  finishLoss,
  type Networks,
  type ObjectiveBatch,
  type ObjectiveLoss,
  type ObjectiveSchedule,
} from './objective.ts';
import type { DrawOptions, GuidanceOptions, Weighting } from './options.ts';
import { velocityTerm } from './residuals.ts';
import type { SolutionMap } from './solution-map.ts';
import { passTarget } from './target-velocity.ts';
import { type TrainedPass, type TrainedPassOptions, trainedPass } from './trained-pass.ts';

// What the kinds that learn jumps do before that, while all rows train the velocity. Jumps are learnt from the network's own
// velocities (arXiv 2511.19065 and alpha-Flow, arXiv 2510.20771, find that a curriculum from velocities to jumps pays).

type Options = TrainedPassOptions &
  DrawOptions &
  Weighting &
  GuidanceOptions & { map: SolutionMap; velocityWarmup: number };

/** Whether this share of the training is past the warm-up. */
export const trainsJumpsAt = (progress: number, { velocityWarmup }: Pick<Options, 'velocityWarmup'>): boolean =>
  progress >= velocityWarmup;

/** The draws of a batch all of whose rows train the velocity. */
export const drawVelocities = (
  stream: RandomStream,
  shape: readonly number[],
  { guidanceScale }: ObjectiveSchedule,
  options: Options,
): Draws => ({
  ...drawBatch(stream, shape, shape[0]!, options),
  ...drawGuidanceScale(stream, shape[0]!, guidanceScale, options),
});

/**
 * The loss of such a batch: the velocity against v*, guided as the kind does it. `reference` makes the kind's pass for v_ref. One pass
 * with gradient on all rows, and the reference's.
 */
export const velocityLoss = (
  where: string,
  networks: Networks,
  batch: ObjectiveBatch,
  draws: Draws,
  { guidanceScale }: ObjectiveSchedule,
  options: Options,
  reference: (pass: TrainedPass) => tf.Tensor,
): ObjectiveLoss =>
  tf.tidy(() => {
    const pass = trainedPass(where, networks, batch, draws, options);
    const own = options.targetMixRatio < 1 ? pass.jumpPart(pass.predicted) : undefined; // of no rows: there are no jumps
    const target = passTarget(pass, { own, reference: () => reference(pass) }, guidanceScale, options);
    const { lossPerExample, meanSquare } = velocityTerm(pass.predicted, target, options);
    return finishLoss(lossPerExample, { velocityLoss: meanSquare }, pass.passes);
  });
