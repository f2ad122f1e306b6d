import * as tf from '@tensorflow/tfjs-core';
import { expect, it } from 'vitest';
import { FUSE_KERNEL, type Fusible, fuse } from './fuse.ts';

const sumAndProduct: Fusible = (a, b) => [tf.add(a!, b!), tf.mul(a!, b!)];
const values = (tensors: tf.Tensor[]) => tensors.map((tensor) => Array.from(tensor.dataSync()));
const [a, b] = [tf.tensor1d([1, 2, 3]), tf.tensor1d([5, 7, 11])];

it('is the function itself where the backend does not fuse', () => {
  expect(tf.getKernel(FUSE_KERNEL, tf.getBackend())).toBeUndefined();
  const before = tf.memory().numTensors;
  const results = fuse(sumAndProduct, a, b);
  expect(values(results)).toEqual([
    [6, 9, 14],
    [5, 14, 33],
  ]);
  tf.dispose(results);
  expect(tf.memory().numTensors).toBe(before);
});

it('hands function and inputs, in order, to a backend that does', () => {
  tf.registerKernel({
    kernelName: FUSE_KERNEL,
    backendName: tf.getBackend(),
    kernelFunc: ({ inputs, attrs }) => {
      const { fn } = attrs as object as { fn: Fusible };
      return fn(...(Object.values(inputs) as tf.Tensor[])).map((result) => tf.neg(result));
    },
  });
  const results = tf.tidy(() => fuse(sumAndProduct, a, b));
  tf.unregisterKernel(FUSE_KERNEL, tf.getBackend());
  expect(values(results)).toEqual([
    [-6, -9, -14],
    [-5, -14, -33],
  ]);
});
