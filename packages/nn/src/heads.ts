import * as tf from '@tensorflow/tfjs-core';
import { type LinearParams, linear, product } from './linear.ts';
import { factorType, hasFused, runFused, withGradient } from './native.ts';
import { rmsNorm } from './norm.ts';

/** The projection [E, 3 E] to queries, keys and values, and the norms of queries and keys, [D] each. */
export type HeadsParams = {
  qkv: LinearParams;
  qNorm: { weight: tf.Tensor1D };
  kNorm: { weight: tf.Tensor1D };
};

/**
 * Queries, keys and values of tokens x [B, L, E] by head, [B, N, L, D] each, of which queries and keys are normalised by `rmsNorm`;
 * after the product as one op where there is one. The caller owns them. Throws if the last axis is not E.
 */
export function projectHeads(
  { qkv, qNorm, kNorm }: HeadsParams,
  x: tf.Tensor,
  eps = 1e-6,
): Record<'q' | 'k' | 'v', tf.Tensor> {
  const [B, L, E] = x.shape as [number, number, number];
  const D = qNorm.weight.shape[0];
  return tf.tidy(() => {
    if (!hasFused()) {
      const heads = tf.transpose(tf.reshape(linear(qkv, x), [B, L, 3, E / D, D]), [2, 0, 3, 1, 4]);
      const [q, k, v] = tf.unstack(heads) as [tf.Tensor, tf.Tensor, tf.Tensor];
      return { q: rmsNorm(qNorm.weight, q, eps), k: rmsNorm(kNorm.weight, k, eps), v };
    }
    const heads = withGradient(
      [product(qkv.weight, x), qkv.bias, qNorm.weight, kNorm.weight],
      (...at) => runFused('EflowSplitHeads', at, 1, { eps })[0]!,
      (dy, ...at) => runFused('EflowSplitHeadsGrad', [...at, dy], 4, { eps, ...factorType() }),
    );
    const [q, k, v] = tf.unstack(heads) as [tf.Tensor, tf.Tensor, tf.Tensor];
    return { q, k, v };
  });
}

/** The inverse of the heads' split, x [B, N, L, D] -> [B, L, N D], owned by the caller. */
export function joinHeads(x: tf.Tensor): tf.Tensor {
  const [B, N, L, D] = x.shape as [number, number, number, number];
  if (!hasFused()) return tf.tidy(() => tf.reshape(tf.transpose(x, [0, 2, 1, 3]), [B, L, N * D]));
  return tf.customGrad((at) => ({
    value: runFused('EflowJoinHeads', [at as tf.Tensor], 1, factorType())[0]!,
    // The op takes the heads' length from the shape of an input, the only thing that shapes may follow from.
    gradFunc: (dy: tf.Tensor) => tf.tidy(() => runFused('EflowJoinHeadsGrad', [dy, tf.zeros([D])], 1)[0]!),
  }))(x);
}
