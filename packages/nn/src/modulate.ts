import { assertShape } from '@eflow/tensor';
import * as tf from '@tensorflow/tfjs-core';

/**
 * adaLN's modulation, x (1 + scale) + shift (DiT, arXiv 2212.09748): x [B, L, E], shift and scale [B, E] -> [B, L, E],
 * owned by the caller. Throws if the shapes disagree.
 */
export function modulate(x: tf.Tensor, shift: tf.Tensor, scale: tf.Tensor): tf.Tensor {
  const sizes = assertShape('modulate', 'x', x, ['B', 'L', 'E']);
  assertShape('modulate', 'shift', shift, ['B', 'E'], sizes);
  assertShape('modulate', 'scale', scale, ['B', 'E'], sizes);
  return tf.tidy(() => tf.add(tf.mul(x, tf.expandDims(tf.add(scale, 1), 1)), tf.expandDims(shift, 1)));
}
