import type { RandomStream } from '@eflow/tensor';
import * as tf from '@tensorflow/tfjs-core';
import { type Draws, drawBatch, splitRows } from './draws.ts';
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
import type { JumpTimes } from './time-sampler.ts';
import { type TrainedPass, type TrainedPassOptions, trainedPass } from './trained-pass.ts';

// What the kinds that learn jumps do before that, while all rows train the velocity. Jumps are learnt from the network's own
// velocities (arXiv 2511.19065 and alpha-Flow, arXiv 2510.20771, find that a curriculum from velocities to jumps pays).

type Options = TrainedPassOptions &
  DrawOptions &
  Weighting &
  GuidanceOptions & { map: SolutionMap; velocityRatio: number; velocityWarmup: number };

/** Whether this share of the training is past the warm-up. */
export const trainsJumpsAt = (progress: number, { velocityWarmup }: Pick<Options, 'velocityWarmup'>): boolean =>
  progress >= velocityWarmup;

/**
 * The draws of a batch for a kind that learns jumps: the jumps' times by `drawJump`, and scales of guidance where they are drawn. All
 * rows train the velocity where `trainsJumps` is false.
 */
export function drawJumpBatch(
  stream: RandomStream,
  shape: readonly number[],
  { guidanceScale }: ObjectiveSchedule,
  options: Options,
  trainsJumps: boolean,
  drawJump: (stream: RandomStream, rows: number) => JumpTimes,
): Draws {
  const batchSize = shape[0]!;
  const draws = trainsJumps
    ? drawBatch(stream, shape, splitRows(batchSize, options.velocityRatio).velocityRows, options, drawJump)
    : drawBatch(stream, shape, batchSize, options);
  return { ...draws, ...drawGuidanceScale(stream, batchSize, guidanceScale, options) };
}

/**
 * The loss of a batch all of whose rows train the velocity: the velocity against v*, guided as the kind does it. `reference` makes the kind's pass for v_ref. One pass
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
