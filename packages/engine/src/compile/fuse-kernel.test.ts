import { type Fusible, fuse } from '@eflow/tensor';
import { expectClose } from '@eflow/testing';
import * as tf from '@tensorflow/tfjs-core';
import { expect, it } from 'vitest';
import { compile } from './compile.ts';

const forward: Fusible = (x) => [tf.mul(x!, tf.sigmoid(x!)), tf.sigmoid(x!)];
const backward: Fusible = (dy, x, gate) => [tf.mul(dy!, tf.mul(gate!, tf.add(1, tf.mul(x!, tf.sub(1, gate!)))))];

/** x sigmoid(x) with its own gradient, both fused. */
const silu = (x: tf.Tensor): tf.Tensor =>
  tf.customGrad((input, save) => {
    const [value, gate] = fuse(forward, input as tf.Tensor) as [tf.Tensor, tf.Tensor];
    (save as tf.GradSaveFunc)([input as tf.Tensor, gate]);
    return { value, gradFunc: (dy: tf.Tensor, saved: tf.Tensor[]) => fuse(backward, dy, ...saved)[0]! };
  })(x);

const slope = (x: tf.Tensor) => tf.grad((z: tf.Tensor) => tf.sum(silu(silu(silu(z)))))(x);
const x = tf.linspace(-4, 4, 1001);

it.each([
  ['as parts of a graph that XLA compiles', {}],
  ['within a graph that XLA compiles as a whole', { xla: true }],
])('gives the values and gradients that it gives uncompiled, %s', (_, options) => {
  const compiled = compile((input: tf.Tensor) => [silu(input), slope(input)], options);
  const [value, gradient] = compiled(x) as [tf.Tensor, tf.Tensor];
  expectClose(value, silu(x));
  expectClose(gradient, slope(x));
  const again = compiled(x) as [tf.Tensor, tf.Tensor];
  expect(Array.from(again[1].dataSync())).toEqual(Array.from(gradient.dataSync()));
});

it('makes one op of what it is given', () => {
  const operations = (fn: (input: tf.Tensor) => tf.Tensor) => compile(fn).describe(x)!.operations;
  // The call itself and two for the shapes of its results, in place of a product and two sigmoids.
  const fused = operations((input) => fuse(forward, input)[0]!);
  expect(fused).toBe(1 + 1 + 2);
});
