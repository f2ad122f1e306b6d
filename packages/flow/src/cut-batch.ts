import { mapTree, type Tree } from '@eflow/tensor';
import * as tf from '@tensorflow/tfjs-core';
import type { Draws } from './draws.ts';
import type { ObjectiveBatch } from './objective.ts';

/** A batch, or a part of one, with all that is random in its loss. */
export type DrawnBatch = { batch: ObjectiveBatch; draws: Draws };

/**
 * Cuts a batch into `count` parts with an equal share of its velocity rows and of its jump rows each, so that the mean of their
 * losses is the batch's, and so of their gradients. The caller owns the tensors; one part is the batch itself. Throws unless
 * `count` divides the rows of each kind.
 */
export function cutBatch(whole: DrawnBatch, count: number): DrawnBatch[] {
  if (count === 1) return [whole];
  const { velocityTimestep, jump, ...ofAllRows } = whole.draws;
  const velocityRows = velocityTimestep.size;
  const jumpRows = jump?.timestep.size ?? 0;
  assertParts(count, { velocityRows, jumpRows });
  return Array.from({ length: count }, (_, part) => {
    const cut = (x: tf.Tensor, start: number, rows: number) =>
      tf.slice(x, [start + (part * rows) / count], [rows / count]);
    const cutRows = <T extends Tree>(tree: T): T =>
      mapTree(tree, (x) => {
        const kinds = [[0, velocityRows], ...(jump ? [[velocityRows, jumpRows]] : [])];
        return tf.tidy(() => tf.concat(kinds.map(([start, rows]) => cut(x, start!, rows!))));
      });
    return {
      batch: cutRows(whole.batch),
      draws: {
        ...cutRows(ofAllRows),
        velocityTimestep: cut(velocityTimestep, 0, velocityRows),
        ...(jump && { jump: mapTree(jump, (times) => cut(times, 0, jumpRows)) }),
      },
    };
  });
}

/** Throws unless a batch with these rows can be cut into `count` parts that are alike. */
export function assertParts(
  count: number,
  { velocityRows, jumpRows }: { velocityRows: number; jumpRows: number },
): void {
  const rows = velocityRows + jumpRows;
  const divides = (parts: number) => [velocityRows, jumpRows].every((part) => Number.isInteger(part / parts));
  if (Number.isInteger(count) && divides(count)) return;
  const sizes = Array.from({ length: rows }, (_, i) => rows - i).filter(
    (size) => rows % size === 0 && divides(rows / size),
  );
  throw new Error(
    `a batch of ${velocityRows} velocity rows and ${jumpRows} jump rows cannot be cut into parts of ${rows / count} that are alike; ` +
      `parts can be of ${sizes.join(', ')}`,
  );
}
