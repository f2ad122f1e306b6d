import { expectClose, expectNoLeak } from '@eflow/testing';
import * as tf from '@tensorflow/tfjs-core';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { EMA_DEFAULTS, emaDecay, initEma, updateEma } from './ema.ts';

const exactly = { rtol: 0, atol: 0 };
/** Without subnormal numbers, which TensorFlow takes for zero. */
const anyValue = fc.float({ noNaN: true, min: -1e6, max: 1e6 }).map((x) => (Math.abs(x) < 1e-30 ? 0 : x));
const anyValues = fc.array(anyValue, { minLength: 1, maxLength: 10 });

const largest = (values: number[]) => Math.max(3, ...values.map((x) => 3 * Math.abs(x)));

describe('initEma', () => {
  it('begins at the parameters, as a tree of its own', () => {
    const before = tf.memory().numTensors;
    const params = { layers: [{ weight: tf.tensor1d([1, -2]) }] };
    const ema = initEma(params);
    tf.dispose(params);
    expectClose(ema.layers[0]!.weight, [1, -2], exactly);
    tf.dispose(ema);
    expect(tf.memory().numTensors).toBe(before);
  });
});

describe('emaDecay', () => {
  it('has the defaults that it says', () => {
    for (const step of [0, 7, 1e6]) expect(emaDecay(step)).toBe(emaDecay(step, EMA_DEFAULTS));
    expect(emaDecay(1e6)).toBe(0.9999);
  });

  it('refuses a misspelt option', () => {
    // @ts-expect-error: no option of it
    expect(() => emaDecay(0, { decai: 0.9 })).toThrow("emaDecay: unknown option 'decai'; did you mean 'decay'?");
  });
});

describe('updateEma', () => {
  it('copies at decay 0, keeps at decay 1, and leaves equal trees alone, to the bit', () => {
    fc.assert(
      fc.property(anyValues, fc.double({ min: 0, max: 1, noNaN: true }), (values, decay) => {
        tf.tidy(() => {
          const ema = tf.tensor1d(values.map((x) => x * 1.7 - 3));
          const params = tf.tensor1d(values);
          expectClose(
            tf.equal(updateEma(ema, params, 0), params),
            values.map(() => 1),
            exactly,
          );
          expectClose(
            tf.equal(updateEma(ema, params, 1), ema),
            values.map(() => 1),
            exactly,
          );
          expectClose(
            tf.equal(updateEma(params, params, decay), params),
            values.map(() => 1),
            exactly,
          );
        });
      }),
      { numRuns: 60 },
    );
  });

  it('takes its decay as a scalar: exact at 0 and 1 and on equal trees, else what the number gives', () => {
    fc.assert(
      fc.property(anyValues, fc.float({ noNaN: true, min: 0, max: 1 }), (values, decay) => {
        tf.tidy(() => {
          const ema = tf.tensor1d(values.map((x) => x * 1.7 - 3));
          const params = tf.tensor1d(values);
          const numbers = (x: tf.Tensor) => Array.from(x.dataSync(), (value) => value + 0); // -0 is 0
          const update = (from: tf.Tensor1D, to: tf.Tensor1D, by: number) =>
            numbers(updateEma(from, to, tf.scalar(by)));
          expect(update(ema, params, 0)).toEqual(numbers(params));
          expect(update(ema, params, 1)).toEqual(numbers(ema));
          expect(update(params, params, decay)).toEqual(numbers(params));
          expectClose(update(ema, params, decay), updateEma(ema, params, decay), {
            rtol: 0,
            atol: 1e-6 * largest(values),
          });
        });
      }),
      { numRuns: 60 },
    );
  });

  it('agrees with the formula in float64', () => {
    fc.assert(
      fc.property(anyValues, fc.double({ min: 0, max: 1, noNaN: true }), (values, decay) => {
        tf.tidy(() => {
          const before = tf.tensor1d(values.map((x, i) => 10 * i - x));
          const after = updateEma({ a: [before] }, { a: [tf.tensor1d(values)] }, decay);
          const old = before.dataSync();
          const scale = Math.max(...values.map(Math.abs), ...[...old].map(Math.abs));
          expectClose(
            after.a[0]!,
            values.map((x, i) => decay * old[i]! + (1 - decay) * x),
            {
              rtol: 0,
              atol: 3e-7 * scale,
            },
          );
        });
      }),
      { numRuns: 60 },
    );
  });

  it('leaks nothing and refuses bad decays and trees that differ', () => {
    const ema = { a: tf.ones([2]) };
    const params = { a: tf.zeros([2]) };
    const scalar = tf.scalar(0.9);
    expectNoLeak(() => updateEma(ema, params, 0.9).a);
    expectNoLeak(() => updateEma(ema, params, 0).a);
    for (const bad of [-0.1, 1.1, Number.NaN]) {
      expect(() => updateEma(ema, params, bad)).toThrow(`decay is ${bad}; expected a number from 0 to 1`);
    }
    expectNoLeak(() => updateEma(ema, params, scalar).a);
    expect(() => updateEma(ema, params, params.a as tf.Tensor as tf.Scalar)).toThrow('expected decay [], got [2]');
    expect(() => updateEma(ema, { a: tf.zeros([1]) }, 0.9)).toThrow("expected params 'a' [2], got [1]");
  });
});

describe('emaDecay', () => {
  it('warms up as (1 + step) / (10 + step), never above the decay', () => {
    expect(emaDecay(0)).toBe(0.1);
    expect(emaDecay(8)).toBe(0.5);
    expect(emaDecay(90)).toBe(0.91);
    expect(emaDecay(1e9)).toBe(0.9999);
    expect(emaDecay(0, { decay: 0 })).toBe(0);
    expect(emaDecay(0, { decay: 0.99, warmup: false })).toBe(0.99);
    for (let step = 0; step < 1000; step++) expect(emaDecay(step + 1)).toBeGreaterThan(emaDecay(step));
  });

  it('refuses bad steps and decays', () => {
    expect(() => emaDecay(-1)).toThrow('step is -1; expected an integer >= 0');
    expect(() => emaDecay(0, { decay: 2 })).toThrow('decay is 2');
  });
});
