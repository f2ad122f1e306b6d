import { createStream, randomNormal } from '@eflow/tensor';
import { expectClose, expectGradients, expectNoLeak } from '@eflow/testing';
import * as tf from '@tensorflow/tfjs-core';
import { describe, expect, it } from 'vitest';
import { modulate } from './modulate.ts';

const x = randomNormal(createStream(1), [2, 3, 5]);
const shift = randomNormal(createStream(2), [2, 5]);
const scale = randomNormal(createStream(3), [2, 5]);

describe('modulate', () => {
  it('is x (1 + scale) + shift, per example', () => {
    const [a, b, c] = [x.dataSync(), shift.dataSync(), scale.dataSync()];
    const expected = Array.from(a, (value, i) => {
      const at = Math.floor(i / 15) * 5 + (i % 5);
      return value * (1 + c[at]!) + b[at]!;
    });
    expectClose(modulate(x, shift, scale), expected);
    expectNoLeak(() => modulate(x, shift, scale));
  });

  it('has the gradients of all three', () => {
    expectGradients((a, b, c) => modulate(a!, b!, c!), [x, shift, scale]);
  });

  it('refuses another batch', () => {
    expect(() => modulate(x, tf.zeros([3, 5]), scale)).toThrow('modulate: expected shift [B=2, E=5], got [3, 5]');
  });
});
