import { type RandomStream, randomNormal, randomUniform, splitStream } from '@eflow/tensor';
import * as tf from '@tensorflow/tfjs-core';
import type { DrawOptions } from './options.ts';
import { assertOrder, assertTimes } from './read-now.ts';
import { type JumpTimes, sampleLogitNormal } from './time-sampler.ts';

/** All that is random in one loss. Rows: first those that train the velocity, [V], then those that train jumps, [S]. */
export type Draws = {
  /** x_1, [B, ...]. */
  noise: tf.Tensor;
  /** t of the velocity rows, [V]. */
  velocityTimestep: tf.Tensor;
  /** Times of the jump rows, [S] each; absent where all rows train the velocity. */
  jump?: JumpTimes;
  /** [B] bool. */
  conditionDropped: tf.Tensor;
  /** [B] bool, false in the jump rows. */
  pathDropped: tf.Tensor;
  /** omega, [B], where it is an input of the network. */
  guidanceScale?: tf.Tensor;
};

/** Rows of each kind in a batch. Throws if either has none. */
export function splitRows(batchSize: number, velocityRatio: number): { velocityRows: number; jumpRows: number } {
  const velocityRows = Math.round(batchSize * velocityRatio);
  const jumpRows = batchSize - velocityRows;
  if (!(velocityRows >= 1 && jumpRows >= 1)) {
    throw new Error(
      `splitRows: a batch of ${batchSize} with velocityRatio ${velocityRatio} has ${velocityRows} velocity rows and ${jumpRows} jump rows; ` +
        'expected at least one of each: take a larger batch or another ratio',
    );
  }
  return { velocityRows, jumpRows };
}

/** The draws of a batch whose first `velocityRows` rows train the velocity and the others the jumps that `drawJump` draws. */
export function drawBatch(
  stream: RandomStream,
  shape: readonly number[],
  velocityRows: number,
  options: DrawOptions,
  drawJump?: (stream: RandomStream, rows: number) => JumpTimes,
): Draws {
  const batchSize = shape[0]!;
  const jumpRows = batchSize - velocityRows;
  const happens = (label: string, rows: number, probability: number) =>
    tf.less(randomUniform(splitStream(stream, label), [rows]), probability);
  return tf.tidy(() => {
    const pathDropped = happens('pathDropped', velocityRows, options.pathDropProb);
    return {
      noise: randomNormal(splitStream(stream, 'noise'), [...shape]),
      velocityTimestep: sampleLogitNormal(splitStream(stream, 'velocityTimestep'), velocityRows, options.velocityTime),
      conditionDropped: happens('conditionDropped', batchSize, options.classDropoutProb),
      pathDropped: jumpRows > 0 ? tf.concat([pathDropped, tf.zeros([jumpRows], 'bool')]) : pathDropped,
      ...(drawJump && { jump: drawJump(splitStream(stream, 'solution'), jumpRows) }),
    };
  });
}

/** The jump rows' times. Throws, naming `where`, if draws have none. */
export function jumpOf(where: string, { jump }: Draws): JumpTimes {
  if (jump) return jump;
  throw new Error(`${where}: the draws have no jump times; draw them with the same objective's draw()`);
}

/** Throws on times outside [0, 1] and on a target not before its time, where values can be read. */
export function assertDraws(where: string, { velocityTimestep, jump }: Draws): void {
  assertTimes(where, 'velocityTimestep', velocityTimestep);
  if (!jump) return;
  assertTimes(where, 'timestep', jump.timestep);
  assertTimes(where, 'targetTimestep', jump.targetTimestep);
  // Both are divided by.
  assertOrder(where, ['timestep', 'targetTimestep'], jump.timestep, jump.targetTimestep, { strict: true });
  assertOrder(where, ['timestep', 'nearTimestep'], jump.timestep, jump.nearTimestep, { strict: true });
  assertOrder(where, ['nearTimestep', 'targetTimestep'], jump.nearTimestep, jump.targetTimestep);
  assertOrder(where, ['timestep', 'middleTimestep'], jump.timestep, jump.middleTimestep);
  assertOrder(where, ['middleTimestep', 'targetTimestep'], jump.middleTimestep, jump.targetTimestep);
}
