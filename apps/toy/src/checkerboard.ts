import { type RandomStream, randomUniform, splitStream } from '@eflow/tensor';
import * as tf from '@tensorflow/tfjs-core';

/** Side of a square, so that each coordinate, which is uniform over the four, has variance 1. */
export const SQUARE = Math.sqrt(3) / 2;

/**
 * `count` points uniform on the 8 squares of a board of 4 x 4 whose row and column are both even or both odd, centred on the
 * origin: [count, 2], owned by the caller.
 */
export function drawCheckerboard(stream: RandomStream, count: number): tf.Tensor2D {
  return tf.tidy(() => {
    const uniform = (label: string, end: number) => tf.mul(randomUniform(splitStream(stream, label), [count]), end);
    const x = uniform('x', 4);
    // One of a column's two squares and the place in it, from one number in [0, 2).
    const place = uniform('y', 2);
    const y = tf.addN([place, tf.floor(place), tf.mod(tf.floor(x), 2)]);
    return tf.mul<tf.Tensor2D>(tf.sub(tf.stack([x, y], 1), 2), SQUARE);
  });
}
