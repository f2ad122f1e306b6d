import { createStream, randomNormal } from '@eflow/tensor';
import { expectClose, expectGradients, expectNoLeak } from '@eflow/testing';
import * as tf from '@tensorflow/tfjs-core';
import { describe, it } from 'vitest';
import { layerNorm, rmsNorm } from './norm.ts';

const x = tf.add(tf.mul(randomNormal(createStream(1), [2, 3, 7]), 3), 2);
const weight = randomNormal(createStream(2), [7]) as tf.Tensor1D;

const rowsOf = (values: ArrayLike<number>, size: number) =>
  Array.from({ length: values.length / size }, (_, i) => Array.from(values).slice(i * size, (i + 1) * size));
const mean = (values: number[]) => values.reduce((a, b) => a + b) / values.length;

describe('layerNorm', () => {
  it('is (x - mean) / sqrt(var + eps) of each row', () => {
    const expected = rowsOf(x.dataSync(), 7).flatMap((row) => {
      const m = mean(row);
      const variance = mean(row.map((a) => (a - m) ** 2));
      return row.map((a) => (a - m) / Math.sqrt(variance + 1e-6));
    });
    expectClose(layerNorm(x), expected);
    expectNoLeak(() => layerNorm(x));
  });

  it('has the gradient of x', () => expectGradients((at) => layerNorm(at!), [x]));
});

describe('rmsNorm', () => {
  it('is weight x / sqrt(mean(x^2) + eps) of each row', () => {
    const scale = weight.dataSync();
    const expected = rowsOf(x.dataSync(), 7).flatMap((row) => {
      const rms = Math.sqrt(mean(row.map((a) => a * a)) + 1e-6);
      return row.map((a, i) => (scale[i]! * a) / rms);
    });
    expectClose(rmsNorm(weight, x), expected);
    expectNoLeak(() => rmsNorm(weight, x));
  });

  it('has the gradients of weight and x', () => {
    expectGradients((w, at) => rmsNorm(w as tf.Tensor1D, at!), [weight, x]);
  });
});
