import * as tf from '@tensorflow/tfjs-core';
import { describe, expect, it } from 'vitest';
import { withoutTape } from './tape.ts';

const at = (value: number) => tf.tidy(() => tf.scalar(value));

describe('withoutTape', () => {
  it('lets the gradient of an op take gradients itself', () => {
    // Its gradient is that of x^3, taken when it is asked for.
    const cube = tf.customGrad((input, save) => {
      const x = input as tf.Tensor;
      (save as tf.GradSaveFunc)([x]);
      return {
        value: tf.mul(tf.square(x), x),
        gradFunc: (dy, [saved]) =>
          withoutTape(() => tf.mul(dy, tf.grad((y) => tf.mul(tf.square(y), y))(saved as tf.Tensor))),
      };
    });
    const numTensors = tf.memory().numTensors;
    tf.tidy(() => {
      // d/dx sin(x^3) x^2
      const gradient = tf.grad((x) => tf.mul(tf.sin(cube(x)), tf.square(x)))(at(0.7));
      expect(gradient.dataSync()[0]).toBeCloseTo(Math.cos(0.343) * 3 * 0.7 ** 4 + Math.sin(0.343) * 1.4, 6);
    });
    expect(tf.memory().numTensors).toBe(numTensors);
  });

  it('takes gradients inside stopGradient-like ops, where the tape is off, and is a constant around it', () => {
    tf.tidy(() => {
      const slope = (x: tf.Tensor) => withoutTape(() => tf.grad((y) => tf.square(y))(x)); // 2 x
      const gradient = tf.grad((x) => tf.mul(x, tf.customGrad(() => ({ value: slope(x), gradFunc: () => [] }))()))(
        at(3),
      );
      expect(gradient.dataSync()[0]).toBe(6);
    });
  });

  it('puts the tape back and frees its own if the function throws', () => {
    const numTensors = tf.memory().numTensors;
    tf.tidy(() => {
      const gradient = tf.grad((x) => {
        const square = tf.square(x);
        const fail = () =>
          withoutTape(() =>
            tf.grad((y) => {
              tf.mul(tf.exp(y), y);
              throw new Error('in the middle');
            })(x),
          );
        expect(fail).toThrow('in the middle');
        return tf.mul(square, x);
      })(at(2));
      expect(gradient.dataSync()[0]).toBe(12);
    });
    expect(tf.memory().numTensors).toBe(numTensors);
  });
});
