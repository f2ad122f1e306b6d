import { createStream, randomNormal } from '@eflow/tensor';
import { expectClose, expectGradients, expectNoLeak } from '@eflow/testing';
import * as tf from '@tensorflow/tfjs-core';
import { describe, it } from 'vitest';
import { gelu, silu } from './activations.ts';

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
