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

/**
 * What all objectives begin with: the one pass on the tape, on every row, and what the other passes need of it. Throws,
 * naming `where`, on draws that are out of order.
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
  const noisy = interpolate(data, draws.noise, timestep, path);
  /** Rows without condition or path: guidance is not for them. */
  const plain = tf.logicalOr(draws.conditionDropped, draws.pathDropped);
  const unconditional = weakCondition === 'null' ? plain : draws.conditionDropped;
  const condition = selectRows(where, unconditional, { nullCondition, condition: given });
  /** N(x_t, t, s, c), [B, ...]; s = t in the velocity rows. */
  const predicted = trained({
    noisy,
    timestep,
    targetTimestep: jump ? tf.concat([velocityTimestep, jump.targetTimestep]) : velocityTimestep,
    condition,
    keptTokens,
    pathDropped: draws.pathDropped,
  });
  /** What a pass on the jump rows takes, from x at one time to another; its token-drop draw is that of the trained pass. */
  const jumpInput = (x: tf.Tensor, start: tf.Tensor, end: tf.Tensor): NetworkInput => ({
    noisy: x,
    timestep: start,
    targetTimestep: end,
    condition: jumpPart(condition),
    ...(keptTokens && { keptTokens: jumpPart(keptTokens) }),
  });
  return {
    ...{ passes, strong, weak, velocityPart, jumpPart, jumpInput },
    ...{ timestep, noisy, plain, condition, predicted },
    /** v of the path, [B, ...]. */
    velocity: pathVelocity(data, draws.noise, timestep, path),
  };
}
