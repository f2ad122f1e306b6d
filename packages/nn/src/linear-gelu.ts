import * as tf from '@tensorflow/tfjs-core';
import { gelu } from './activations.ts';
import { type LinearParams, linear, product } from './linear.ts';
import { factorType, hasFused, runFused, withGradient } from './native.ts';

/**
 * `gelu(linear(params, x))`, the bias and GELU as one op where there is one: x [..., in] -> [..., out], owned by the caller.
 * Throws if the last axis is not `in`.
 */
export const linearGelu = (params: LinearParams, x: tf.Tensor): tf.Tensor =>
  tf.tidy(() => {
    if (!hasFused()) return gelu(linear(params, x));
    return withGradient(
      [product(params.weight, x), params.bias],
      (...at) => runFused('EflowBiasGelu', at, 1, factorType())[0]!,
      (dy, ...at) => runFused('EflowBiasGeluGrad', [dy, ...at], 2, factorType()),
    );
  });
