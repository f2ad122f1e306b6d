import * as tf from '@tensorflow/tfjs-core';

/**
 * Running sums of x [B, L, ...] along L, each with its own term. The gradient runs the other way along the same axis;
 * that of tf.cumsum is right for a last axis alone. The caller owns the result.
 */
export function cumulativeSum(x: tf.Tensor): tf.Tensor {
  return tf.customGrad((input) => ({
    value: tf.cumsum(input as tf.Tensor, 1),
    // Not by cumsum's own option: tfjs' WebGPU backend takes one length's shader for another's there.
    gradFunc: (dy: tf.Tensor) => tf.tidy(() => tf.reverse(tf.cumsum(tf.reverse(dy, 1), 1), 1)),
  }))(x);
}
