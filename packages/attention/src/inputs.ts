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

/** The lengths of q [B, N, L, D]; throws, quoting both shapes, if k or v differ, or if the sequence is empty. */
export function assertInputs(where: string, { q, k, v }: AttentionInputs) {
  const sizes = assertShape(where, 'q', q, ['B', 'N', 'L', 'D']);
  assertShape(where, 'k', k, ['B', 'N', 'L', 'D'], sizes);
  assertShape(where, 'v', v, ['B', 'N', 'L', 'D'], sizes);
  if (q.size === 0) throw new Error(`${where}: q is [${q.shape.join(', ')}]; expected at least one token`);
  return sizes;
}
