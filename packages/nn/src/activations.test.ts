import { compile } from '@eflow/engine';
import { createStream, randomNormal } from '@eflow/tensor';
import { expectClose, expectGradients, expectNoLeak } from '@eflow/testing';
import * as tf from '@tensorflow/tfjs-core';
import { describe, expect, it } from 'vitest';
import { gelu, silu, swiglu } from './activations.ts';

const x = tf.concat([tf.mul(randomNormal(createStream(1), [2, 11]), 2), tf.tensor2d([[0], [-30]])], 1);

describe.each([
  ['silu', silu, (a: number) => a / (1 + Math.exp(-a))],
  ['gelu', gelu, (a: number) => 0.5 * a * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (a + 0.044715 * a ** 3)))],
] as const)('%s', (_name, activation, formula) => {
  it('is its formula', () => {
    expectClose(activation(x), Array.from(x.dataSync(), formula));
    expectNoLeak(() => activation(x));
  });

  it('has the gradient of x', () => expectGradients(activation, [x]));
});

describe('swiglu', () => {
  const halves = tf.concat([x, tf.mul(randomNormal(createStream(2), [2, 12]), 2)], 1);
  const gradient = (at: tf.Tensor) => tf.grad((h) => tf.sum(tf.square(swiglu(h))))(at);

  it('is silu of the first half times the second, whatever the axes before', () => {
    const [a, b] = tf.split(halves, 2, 1) as [tf.Tensor, tf.Tensor];
    const expected = Array.from(a.dataSync(), (value, i) => (value / (1 + Math.exp(-value))) * b.dataSync()[i]!);
    expectClose(swiglu(halves), expected);
    expectClose(swiglu(tf.reshape(halves, [1, 2, 1, 24])), expected);
    expect(swiglu(tf.reshape(halves, [1, 2, 1, 24])).shape).toEqual([1, 2, 1, 12]);
    expectClose(swiglu(tf.slice(halves, 0, 1).flatten()), expected.slice(0, 12));
  });

  it('has the gradient of both halves', () => expectGradients(swiglu, [halves]));

  it('leaves no tensors behind, forward or backward', () => {
    expectNoLeak(() => swiglu(halves));
    expectNoLeak(() => gradient(halves));
  });

  it('gives the same compiled, and on a backend in JavaScript', async () => {
    const before = tf.getBackend();
    const both = (at: tf.Tensor) => [swiglu(at), gradient(at)];
    const expected = both(halves).map((y) => Array.from(y.dataSync()));
    for (const [i, y] of compile(both)(halves).entries()) expectClose(y, expected[i]!);
    await tf.setBackend('cpu');
    try {
      for (const [i, y] of both(halves).entries()) expectClose(Array.from(y.dataSync()), expected[i]!);
    } finally {
      await tf.setBackend(before);
    }
  });

  it.each([[[2, 5]], [[1]], [[]]])('refuses a last axis that has no halves: %j', (shape) => {
    expect(() => swiglu(tf.zeros(shape))).toThrow(
      `swiglu: x is [${shape.join(', ')}]; expected an even last axis, a gate and as much to be gated`,
    );
  });
});
