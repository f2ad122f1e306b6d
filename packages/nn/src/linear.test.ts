import { createStream, randomNormal } from '@eflow/tensor';
import { expectClose, expectGradients, expectNoLeak } from '@eflow/testing';
import * as tf from '@tensorflow/tfjs-core';
import { describe, expect, it } from 'vitest';
import { initLinear, linear } from './linear.ts';

const x = randomNormal(createStream(1), [2, 3, 5]);

describe('linear', () => {
  it('is x W + b for every row', () => {
    const params = initLinear(createStream(2), 5, 7);
    params.bias = tf.tensor1d([1, 2, 3, 4, 5, 6, 7]);
    const [rows, weight] = [x.dataSync(), params.weight.dataSync()];
    const expected = Array.from({ length: 6 * 7 }, (_, at) => {
      const [row, column] = [Math.floor(at / 7), at % 7];
      let sum = column + 1;
      for (let i = 0; i < 5; i++) sum += rows[row * 5 + i]! * weight[i * 7 + column]!;
      return sum;
    });
    const y = linear(params, x);
    expect(y.shape).toEqual([2, 3, 7]);
    expectClose(y, expected);
    expectNoLeak(() => linear(params, x));
  });

  it('has the gradients of x, W and b', () => {
    const { weight, bias } = initLinear(createStream(3), 5, 7);
    expectGradients(
      (...at) => linear({ weight: at[1] as tf.Tensor2D, bias: at[2] as tf.Tensor1D }, at[0]!),
      [x, weight, bias],
    );
  });

  it('names both sizes when they disagree', () => {
    expect(() => linear(initLinear(createStream(4), 3, 2), x)).toThrow('linear: expected x [..., 3], got [2, 3, 5]');
  });
});
