import * as tf from '@tensorflow/tfjs-core';

/**
 * decay * old + (1 - decay) * next, as a step from the end with the larger weight, since two rounded products have three
 * faults: factors that do not add up to 1 (a drift of 3e-4 at decay 0.9999), `old` changed at decay 1, and `next` changed
 * at decay 0. Shapes are equal. Leaves its intermediate results to the caller's tidy, which owns the result.
 */
export function lerp(old: tf.Tensor, next: tf.Tensor, decay: number | tf.Scalar): tf.Tensor {
  if (typeof decay === 'number') {
    if (decay >= 0.5) return tf.add(old, tf.mul(tf.sub(next, old), 1 - decay));
    return tf.add(next, tf.mul(tf.sub(old, next), decay));
  }
  const nearOld = tf.greaterEqual(decay, 0.5);
  const start = tf.where(nearOld, old, next);
  return tf.add(start, tf.mul(tf.sub(next, old), tf.where(nearOld, tf.sub(1, decay), tf.neg(decay))));
}
