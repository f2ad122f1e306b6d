import * as tf from '@tensorflow/tfjs-core';
import { describe, expect, it } from 'vitest';
import { stopGradient, valueAndGrad } from './gradient.ts';

describe('valueAndGrad', () => {
  it('gives the loss, what came with it, and a gradient for every leaf', () => {
    const params = { a: tf.tensor1d([1, 2, 3]), rest: [tf.scalar(5), tf.tensor1d([1, 1])] };
    const before = tf.memory().numTensors;
    const { values, grads } = tf.tidy(() =>
      valueAndGrad(() => {
        const square = tf.square(params.a);
        return { loss: tf.sum(tf.mul(square, params.rest[0]!)) as tf.Scalar, square };
      }, params),
    );
    expect(values.loss.dataSync()[0]).toBe(70); // 5 (1 + 4 + 9)
    expect([...values.square.dataSync()]).toEqual([1, 4, 9]);
    expect([...grads.a.dataSync()]).toEqual([10, 20, 30]); // 2 * 5 * a
    expect(grads.rest[0]!.dataSync()[0]).toBe(14);
    expect([...grads.rest[1]!.dataSync()]).toEqual([0, 0]); // takes no part
    expect(tf.memory().numTensors).toBe(before + 5);
    tf.dispose([values, grads, params]);
  });
});

describe('stopGradient', () => {
  it('is a constant to the tape and keeps no intermediates', () => {
    const x = tf.scalar(3);
    const gradient = tf.grad((y: tf.Tensor) =>
      tf.mul(
        y,
        stopGradient(() => tf.mul(tf.square(y), 1)),
      ),
    )(x);
    expect(gradient.dataSync()[0]).toBe(9); // not 27
    const before = tf.memory().numTensors;
    const constant = stopGradient(() => tf.exp(tf.square(x)));
    expect(tf.memory().numTensors).toBe(before + 1);
    tf.dispose([x, gradient, constant]);
  });
});
