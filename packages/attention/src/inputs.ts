import { assertShape } from '@eflow/tensor';
import type * as tf from '@tensorflow/tfjs-core';
import type { Rotary } from './rotary.ts';

/** What every kernel takes: queries, keys and values [B, N, L, D], and the tokens' rotary table, if any. */
export interface AttentionInputs {
  q: tf.Tensor;
  k: tf.Tensor;
  v: tf.Tensor;
  rotary?: Rotary;
}

/** Backends count elements in 32 bits. */
const MAX_ELEMENTS = 2 ** 31 - 1;

/**
 * The lengths of q [B, N, L, D]; throws, quoting both shapes, if k or v differ, or if the sequence is empty or longer
 * than a tensor can be.
 */
export function assertInputs(where: string, { q, k, v }: AttentionInputs) {
  const sizes = assertShape(where, 'q', q, ['B', 'N', 'L', 'D']);
  assertShape(where, 'k', k, ['B', 'N', 'L', 'D'], sizes);
  assertShape(where, 'v', v, ['B', 'N', 'L', 'D'], sizes);
  if (q.size === 0) throw new Error(`${where}: q is [${q.shape.join(', ')}]; expected at least one token`);
  assertSize(where, 'q', q.shape);
  return sizes;
}

/** Throws, naming the shape, if it has more elements than a tensor can have. */
export function assertSize(where: string, name: string, shape: readonly number[]): void {
  const size = shape.reduce((a, b) => a * b);
  if (size <= MAX_ELEMENTS) return;
  const problem = `${name} is [${shape.join(', ')}], ${size} elements`;
  throw new Error(`${where}: ${problem}; expected at most 2^31 - 1: split the batch or the heads`);
}

/** Throws, naming the value, unless it is an integer of at least `least`; `meaning` says what it counts. */
export function assertCount(where: string, name: string, value: number, meaning: string, least = 1): void {
  if (Number.isInteger(value) && value >= least) return;
  throw new Error(`${where}: ${name} is ${value}; expected ${meaning}, an integer of at least ${least}`);
}
