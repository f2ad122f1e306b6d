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
    expect(() => expectGradients((a, b) => slightlyWrong(a!, b!), [x, y])).toThrow('input 0: along one direction');
  });

  it('with an oracle catches one that is 0.1 % off, and one wrong number among a hundred', () => {
    const at = tf.linspace(-2, 2, 100);
    const cubeWith = (slopes: (x: tf.Tensor) => tf.Tensor) =>
      tf.customGrad((a) => ({
        value: tf.pow(a as tf.Tensor, 3),
        gradFunc: (dy: tf.Tensor) => tf.mul(dy, slopes(tf.mul(tf.square(a as tf.Tensor), 3))),
      }));
    const oracle = ([values]: number[][]) => values!.map((value) => value ** 3);
    const check = (slopes: (x: tf.Tensor) => tf.Tensor) => () =>
      expectGradients((a) => cubeWith(slopes)(a!), [at], { oracle });
    check((slopes) => slopes)();
    expect(check((slopes) => tf.mul(slopes, 1.001))).toThrow('input 0');
    expect(check((slopes) => tf.add(slopes, tf.mul(tf.oneHot(30, 100), 0.2)))).toThrow('input 0');
    expect(check((slopes) => tf.mul(slopes, Number.NaN))).toThrow('the tape gives NaN');
  });

  it('takes the rounding of a gradient that is 0 for what it is', () => {
    // softmax of one number is 1, whatever the number.
    expectGradients((a, b) => tf.add(tf.softmax(a!), b!), [tf.tensor2d([[3]]), tf.tensor2d([[2]])], {
      oracle: ([, b]) => [1 + b![0]!],
    });
  });
});

describe('expectNoLeak', () => {
  it('counts what is left', () => {
    expectNoLeak(() => tf.tidy(() => tf.add(1, tf.scalar(2))));
    expect(() => expectNoLeak(() => tf.add(1, tf.scalar(2)))).toThrow(/[1-9] tensors are left/);
  });
});
