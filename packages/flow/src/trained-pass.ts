import type { Tree } from '@eflow/tensor';
import * as tf from '@tensorflow/tfjs-core';
import { assertDraws, type Draws } from './draws.ts';
import type { NetworkInput } from './network.ts';
import { type Networks, type ObjectiveBatch, recordPasses } from './objective.ts';
import { interpolate, type Path, pathVelocity } from './path.ts';
import { selectRows, sliceRows } from './rows.ts';

export interface TrainedPassOptions {
  path: Path;
  /** Whether rows whose path is dropped keep their condition; `null` unless given. */
  weakCondition?: 'null' | 'same';
}

export type TrainedPass = ReturnType<typeof trainedPass>;

/**
 * What all objectives begin with: the one pass on the tape, on every row, and what the other passes need of it. Throws,
 * naming `where`, on draws that are out of order, and unless the null condition is like the condition.
 */
export function trainedPass(
  where: string,
  networks: Networks,
  { data, condition: given, nullCondition, keptTokens }: ObjectiveBatch,
  draws: Draws,
  { path, weakCondition = 'null' }: TrainedPassOptions,
) {
  assertDraws(where, draws);
  const { velocityTimestep, jump } = draws;
  const velocityRows = velocityTimestep.size;
  const jumpRows = jump?.timestep.size ?? 0;
  const velocityPart = <T extends Tree>(x: T) => sliceRows(x, 0, velocityRows);
  const jumpPart = <T extends Tree>(x: T) => sliceRows(x, velocityRows, jumpRows);

  const { passes, trained, strong, weak } = recordPasses(networks);
  const timestep = jump ? tf.concat([velocityTimestep, jump.timestep]) : velocityTimestep;
  const targetTimestep = jump ? tf.concat([velocityTimestep, jump.targetTimestep]) : velocityTimestep;
  const noisy = interpolate(data, draws.noise, timestep, path);
  const plain = tf.logicalOr(draws.conditionDropped, draws.pathDropped);
  const unconditional = weakCondition === 'null' ? plain : draws.conditionDropped;
  const condition = selectRows(where, unconditional, { nullCondition, condition: given });
  const drawn = draws.guidanceScale;
  const unguided = drawn && { guidanceScale: tf.onesLike(drawn) };
  const guidanceScale = drawn && tf.where(plain, 1, drawn);
  const predicted = trained({
    noisy,
    timestep,
    targetTimestep,
    condition,
    keptTokens,
    pathDropped: draws.pathDropped,
    ...(guidanceScale && { guidanceScale }),
  });
  return {
    /** The passes so far. */
    passes,
    /** The networks off the tape, every call noted in `passes`. */
    strong,
    weak,
    /** The rows of a tensor [B, ...], or of every leaf of a tree, that train the velocity; and those that train the jumps. */
    velocityPart,
    jumpPart,
    /** t, [B]. */
    timestep,
    /** x_t, [B, ...]. */
    noisy,
    /** v of the path, [B, ...]. */
    velocity: pathVelocity(data, draws.noise, timestep, path),
    /** Rows without condition or path, [B] bool: guidance is not for them. */
    plain,
    /** c, the null condition's where it is dropped. */
    condition,
    /** omega where each row has its own, 1 in the plain ones, [B]. */
    guidanceScale,
    /** That of passes which guidance moves away from, as the plain rows train them: 1, where rows have scales at all. */
    unguided,
    /** N(x_t, t, s, c), [B, ...]; s = t in the velocity rows. */
    predicted,
    /** A pass on all rows that asks for their velocity without the condition, with the tokens of the trained pass. */
    withoutCondition: { noisy, timestep, targetTimestep: timestep, condition: nullCondition, keptTokens, ...unguided },
    /** A pass on the jump rows from x at one time to another, with the conditions, tokens and scales of the trained pass. */
    jumpInput: (x: tf.Tensor, start: tf.Tensor, end: tf.Tensor): NetworkInput => ({
      ...jumpPart({ condition, keptTokens, guidanceScale }),
      noisy: x,
      timestep: start,
      targetTimestep: end,
    }),
  };
}
