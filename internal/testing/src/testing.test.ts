import * as tf from '@tensorflow/tfjs-core';
import { describe, expect, it } from 'vitest';
import { expectClose } from './expect-close.ts';
import { expectGradients } from './expect-gradients.ts';
import { expectNoLeak } from './expect-no-leak.ts';

describe('expectClose', () => {
  it('allows atol + rtol |expected| and no more', () => {
    expectClose([1, 100.0009], [1, 100], { rtol: 1e-5, atol: 0 });
    expect(() => expectClose([1, 100.002], [1, 100], { rtol: 1e-5, atol: 0 })).toThrow('element 1 is 100.002');
    expect(() => expectClose([1], [1, 2])).toThrow('1 values against 2');
  });

  it('takes no NaN for a number and no number for an infinity', () => {
    expectClose([Number.NaN, Infinity], [Number.NaN, Infinity]);
    expect(() => expectClose([Number.NaN], [0], { atol: 1e9 })).toThrow('element 0 is NaN');
    expect(() => expectClose([0], [Number.NaN], { atol: 1e9 })).toThrow('expected NaN');
    expect(() => expectClose([1e30], [Infinity])).toThrow('expected Infinity');
  });
});

describe('expectGradients', () => {
  const x = tf.tensor1d([0.3, -1.2, 0.7]);
  const y = tf.tensor1d([2, 0.4, -0.9]);
  /** sin(x) y, whose gradient with respect to x is 5 % too small. */
  const slightlyWrong = tf.customGrad((a, b) => ({
    value: tf.mul(tf.sin(a as tf.Tensor), b as tf.Tensor),
    gradFunc: (dy: tf.Tensor) => [tf.mul(dy, tf.mul(tf.mul(tf.cos(x), y), 0.95)), tf.mul(dy, tf.sin(x))],
  }));

  it('passes a right gradient', () => {
    expectGradients((a, b) => tf.mul(tf.sin(a!), tf.exp(b!)), [x, y]);
  });

  it('catches one that is 5 % off, and says in which input', () => {
    expect(() => expectGradients((a, b) => slightlyWrong(a!, b!), [x, y])).toThrow('input 0, direction');
  });
});

describe('expectNoLeak', () => {
  it('counts what is left', () => {
    expectNoLeak(() => tf.tidy(() => tf.add(1, tf.scalar(2))));
    expect(() => expectNoLeak(() => tf.add(1, tf.scalar(2)))).toThrow(/[1-9] tensors are left/);
  });
});
