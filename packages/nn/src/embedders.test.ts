import { createStream } from '@eflow/tensor';
import { expectClose, expectGradients, expectNoLeak } from '@eflow/testing';
import * as tf from '@tensorflow/tfjs-core';
import { describe, expect, it } from 'vitest';
import { initLabelEmbedder, initScalarEmbedder, labelEmbedder, scalarEmbedder } from './embedders.ts';

describe('scalarEmbedder', () => {
  const params = initScalarEmbedder(createStream(1), 7);

  it('is the two layers on cos and sin of 30 t f', () => {
    const [w1, w2] = [params.fc1.weight.dataSync(), params.fc2.weight.dataSync()];
    const expected = [0, 0.3, 1].flatMap((t) => {
      const angles = Array.from({ length: 128 }, (_, i) => 30 * t * Math.exp((-Math.log(10_000) * i) / 128));
      const features = [...angles.map(Math.cos), ...angles.map(Math.sin)];
      const hidden = Array.from({ length: 7 }, (_, j) => {
        const a = features.reduce((sum, f, i) => sum + f * w1[i * 7 + j]!, 0);
        return a / (1 + Math.exp(-a));
      });
      return Array.from({ length: 7 }, (_, k) => hidden.reduce((sum, h, j) => sum + h * w2[j * 7 + k]!, 0));
    });
    expectClose(scalarEmbedder(params, tf.tensor1d([0, 0.3, 1])), expected, { rtol: 1e-4, atol: 1e-5 });
  });

  it('has the gradients of every parameter', () => {
    const t = tf.tensor1d([0.1, 0.5, 0.9]);
    expectGradients(
      (w1, b1, w2, b2) =>
        scalarEmbedder(
          {
            fc1: { weight: w1 as tf.Tensor2D, bias: b1 as tf.Tensor1D },
            fc2: { weight: w2 as tf.Tensor2D, bias: b2 as tf.Tensor1D },
          },
          t,
        ),
      [params.fc1.weight, params.fc1.bias, params.fc2.weight, params.fc2.bias],
    );
    expectNoLeak(() => scalarEmbedder(params, t));
  });

  it('takes one number per example', () => {
    expect(() => scalarEmbedder(params, tf.zeros([3, 1]))).toThrow('expected values [B], got [3, 1]');
  });
});

describe('labelEmbedder', () => {
  const params = initLabelEmbedder(createStream(2), 3, 5);
  const labels = tf.tensor1d([2, 0, 3, 2], 'int32');

  it('picks rows, the last for "no class"', () => {
    const table = params.table.dataSync();
    const expected = [2, 0, 3, 2].flatMap((label) => [...table.slice(label * 5, label * 5 + 5)]);
    expectClose(labelEmbedder(params, labels), expected, { rtol: 0, atol: 0 });
    expectNoLeak(() => labelEmbedder(params, labels));
  });

  it('gives NaN for a label out of range, and only there', () => {
    const values = labelEmbedder(params, tf.tensor1d([1, 4, -1], 'int32')).arraySync() as number[][];
    expect(values.map((row) => row.map(Number.isNaN))).toEqual([
      Array(5).fill(false),
      Array(5).fill(true),
      Array(5).fill(true),
    ]);
  });

  it('has the gradient of the table', () => {
    expectGradients((table) => labelEmbedder({ table: table as tf.Tensor2D }, labels), [params.table]);
  });
});
