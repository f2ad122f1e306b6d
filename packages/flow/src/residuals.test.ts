import { createStream, randomNormal } from '@eflow/tensor';
import { expectClose, expectNoLeak } from '@eflow/testing';
import * as tf from '@tensorflow/tfjs-core';
import { describe, expect, it } from 'vitest';
import { adaptiveWeight, meanSquarePerExample, solutionSurrogate, velocityTerm, weightedSquare } from './residuals.ts';

const weighting = { weightPower: 0.75, weightEps: 0.01 };
const d = randomNormal(createStream(1), [3, 2, 5]);
const rows = (x: tf.Tensor) => Array.from({ length: 3 }, (_, i) => Array.from(x.dataSync()).slice(10 * i, 10 * i + 10));
const meanSquare = (row: number[]) => row.reduce((sum, x) => sum + x * x, 0) / row.length;

describe('residuals', () => {
  it('are their formulas, per example', () => {
    const squares = rows(d).map(meanSquare);
    const weights = squares.map((m) => (m + 0.01) ** -0.75);
    expectClose(meanSquarePerExample(d), squares);
    expectClose(adaptiveWeight(d, weighting), weights);
    expectClose(
      weightedSquare(d, weighting),
      squares.map((m, i) => m * weights[i]!),
    );
    for (const term of [meanSquarePerExample, weightedSquare, adaptiveWeight]) expectNoLeak(() => term(d, weighting));
  });

  it('weightedSquare has the gradient 2 w(d) d / size: the weight is a constant', () => {
    const gradient = tf.grad((x: tf.Tensor) => tf.sum(weightedSquare(x, weighting)))(d);
    expectClose(
      gradient,
      rows(d).flatMap((row) => row.map((x) => (2 * x * (meanSquare(row) + 0.01) ** -0.75) / 10)),
    );
  });

  it('power 0 is the plain mean square', () => {
    expectClose(weightedSquare(d, { weightPower: 0, weightEps: 0.01 }), meanSquarePerExample(d));
  });

  it('a residual of zero has a finite weight, and no gradient', () => {
    const zero = tf.zeros([2, 5]);
    expectClose(adaptiveWeight(zero, { weightPower: 1, weightEps: 0.01 }), [100, 100]);
    expectClose(tf.grad((x: tf.Tensor) => tf.sum(weightedSquare(x, weighting)))(zero), zero, { rtol: 0, atol: 0 });
  });

  it("solutionSurrogate's gradient is that of the weighted squared residual, up to a positive factor per row", () => {
    // dq = (x + (s - t) N - f) / (t - l) with scalars per row: d(mean(dq^2) w)/dN = 2 w dq (s - t) / (t - l) / size.
    const [intervals, steps] = [
      [0.7, 0.2, 0.05],
      [0.07, 0.004, 0.001],
    ];
    const network = randomNormal(createStream(2), [3, 2, 5]);
    const offset = randomNormal(createStream(3), [3, 2, 5]);
    const column = (values: number[]) => tf.tensor(values, [3, 1, 1]);
    const residual = (n: tf.Tensor) => tf.div(tf.sub(offset, tf.mul(n, column(intervals))), column(steps));
    const fixed = residual(network);
    const surrogate = tf.grad((n: tf.Tensor) => tf.sum(solutionSurrogate(n, fixed, weighting)))(network);
    const honest = tf.grad((n: tf.Tensor) => tf.sum(weightedSquare(residual(n), weighting)))(network);
    const factors = intervals.map((interval, i) => (2 * interval) / steps[i]!);
    expectClose(tf.mul(surrogate, column(factors)), honest, { rtol: 1e-4, atol: 1e-6 });
    expect(solutionSurrogate(network, fixed, weighting).shape).toEqual([3]);
    expectNoLeak(() => solutionSurrogate(network, fixed, weighting));
  });

  it("solutionSurrogate's residual is a constant", () => {
    const both = tf.grad((n: tf.Tensor) => tf.sum(solutionSurrogate(n, n, weighting)))(d);
    const one = tf.grad((n: tf.Tensor) => tf.sum(solutionSurrogate(n, d, weighting)))(d);
    expectClose(both, one, { rtol: 0, atol: 0 });
  });
});

describe('velocityTerm', () => {
  const [prediction, target] = [randomNormal(createStream(1), [3, 5]), randomNormal(createStream(2), [3, 5])];

  it.each([
    ['euler', 1],
    ['trigonometric', Math.PI / 2],
  ] as const)('of the %s map is w(d) d^2 / %d with d = N dB/ds - v*', (map, factor) => {
    const term = (power: number) => velocityTerm(prediction, target, { map, weightPower: power, weightEps: 0.01 });
    const squares = Array.from(meanSquarePerExample(tf.sub(tf.mul(prediction, factor), target)).dataSync());
    for (const power of [0, 1]) {
      expectClose(
        term(power).lossPerExample,
        squares.map((m) => m / (m + 0.01) ** power / factor),
      );
      expectClose(term(power).meanSquare, [squares.reduce((sum, m) => sum + m) / 3]);
      expectNoLeak(() => Object.values(term(power)));
    }
  });
});
