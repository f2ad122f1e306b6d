import { assertShape } from '@eflow/tensor';
import * as tf from '@tensorflow/tfjs-core';
import { type LinearParams, linear, product } from './linear.ts';
import { factorType, hasFused, runFused, withGradient } from './native.ts';

/**
 * adaLN-zero's residual connection, residual + gate linear(params, x) (DiT, arXiv 2212.09748), the bias, the gate and the sum as
 * one op where there is one: residual [B, L, E], gate [B, E], x [B, L, in] -> [B, L, E], owned by the caller. Throws if the
 * shapes disagree.
 */
export function addGatedLinear(residual: tf.Tensor, gate: tf.Tensor, params: LinearParams, x: tf.Tensor): tf.Tensor {
  const sizes = assertShape('addGatedLinear', 'residual', residual, ['B', 'L', params.weight.shape[1]]);
  assertShape('addGatedLinear', 'gate', gate, ['B', params.weight.shape[1]], sizes);
  assertShape('addGatedLinear', 'x', x, ['B', 'L', params.weight.shape[0]], sizes);
  return tf.tidy(() => {
    if (!hasFused()) return tf.add(residual, tf.mul(tf.expandDims(gate, 1), linear(params, x)));
    return withGradient(
      [residual, gate, product(params.weight, x), params.bias],
      (...at) => runFused('EflowGatedAdd', at, 1)[0]!,
      (dy, _residual, ...at) => [tf.clone(dy), ...runFused('EflowGatedAddGrad', [dy, ...at], 3, factorType())],
    );
  });
}
