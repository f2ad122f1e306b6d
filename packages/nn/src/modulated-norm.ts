import { assertShape } from '@eflow/tensor';
import * as tf from '@tensorflow/tfjs-core';
import { modulate } from './modulate.ts';
import { factorType, hasFused, runFused, withGradient } from './native.ts';
import { layerNorm } from './norm.ts';

/**
 * adaLN, `modulate(layerNorm(x), shift, scale)`, as one op where there is one: x [B, L, E], shift and scale [B, E] -> [B, L, E],
 * owned by the caller. Throws if the shapes disagree.
 */
export function modulatedNorm(x: tf.Tensor, shift: tf.Tensor, scale: tf.Tensor, eps = 1e-6): tf.Tensor {
  const sizes = assertShape('modulatedNorm', 'x', x, ['B', 'L', 'E']);
  assertShape('modulatedNorm', 'shift', shift, ['B', 'E'], sizes);
  assertShape('modulatedNorm', 'scale', scale, ['B', 'E'], sizes);
  if (!hasFused()) return composedModulatedNorm(x, shift, scale, eps);
  return withGradient(
    [x, shift, scale],
    (...at) => runFused('EflowModulatedNorm', at, 1, { eps, ...factorType() })[0]!,
    (dy, at, _shift, factor) => runFused('EflowModulatedNormGrad', [dy, at, factor], 3, { eps }),
  );
}

/** The same of TensorFlow.js ops alone. */
const composedModulatedNorm = (x: tf.Tensor, shift: tf.Tensor, scale: tf.Tensor, eps: number) =>
  tf.tidy(() => modulate(layerNorm(x, eps), shift, scale));
