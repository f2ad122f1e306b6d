import { createStream, type RandomStream, splitStream, uploadStream } from '@eflow/tensor';
import { expectClose, expectNoLeak } from '@eflow/testing';
import * as tf from '@tensorflow/tfjs-core';
import { describe, expect, it } from 'vitest';
import { drawEflow, splitRows } from './eflow-draws.ts';
import { EFLOW_DEFAULTS } from './eflow-loss.ts';
import { intervalRatio, MIN_INTERVAL, sampleLogitNormal, sampleSolutionTimes } from './time-sampler.ts';

describe('sampleLogitNormal', () => {
  it('is a normal after the logit', () => {
    const values = Array.from(sampleLogitNormal(createStream(1), 50_000, { mean: -0.2, std: 1.5 }).dataSync());
    const logits = values.map((x) => Math.log(x / (1 - x)));
    const mean = logits.reduce((a, b) => a + b) / logits.length;
    const std = Math.sqrt(logits.reduce((a, b) => a + (b - mean) ** 2, 0) / logits.length);
    expect(Math.abs(mean + 0.2)).toBeLessThan(0.034); // 5 standard errors
    expect(Math.abs(std - 1.5)).toBeLessThan(0.024);
  });
});

describe('intervalRatio', () => {
  it('falls exponentially from start to end', () => {
    const range = { start: 0.1, end: 0.002 };
    expect(intervalRatio(0, range)).toBe(0.1);
    expect(intervalRatio(1, range)).toBeCloseTo(0.002, 12);
    expect(intervalRatio(0.5, range) ** 2).toBeCloseTo(0.1 * 0.002, 12);
  });
});

describe('sampleSolutionTimes', () => {
  const options = { time: { mean: 0.2, std: 0.8 }, targetTime: { mean: -1, std: 0.8 } };

  it.each([0.1, 0.002])('orders s <= l < t and s <= m <= t, l at the ratio %d of the interval', (ratio) => {
    const times = sampleSolutionTimes(createStream(2), 20_000, { ...options, ratio });
    const [t, s, l, m] = [times.timestep, times.targetTimestep, times.nearTimestep, times.middleTimestep].map((x) =>
      x.dataSync(),
    );
    const rounding = 1e-7;
    for (let i = 0; i < t!.length; i++) {
      const interval = t![i]! - s![i]!;
      expect(s![i]!).toBeGreaterThanOrEqual(0);
      expect(t![i]!).toBeLessThan(1);
      expect(t![i]! - l![i]!).toBeGreaterThan(MIN_INTERVAL - rounding);
      expect(Math.abs(t![i]! - l![i]! - Math.max(ratio * interval, MIN_INTERVAL))).toBeLessThan(3e-7);
      expect(l![i]!).toBeGreaterThanOrEqual(s![i]! - rounding);
      expect(m![i]!).toBeGreaterThanOrEqual(s![i]! - rounding);
      expect(m![i]!).toBeLessThanOrEqual(t![i]! + rounding);
    }
  });
});

describe('drawEflow', () => {
  const shape = [40, 2, 3];

  it('is a function of the stream, and its rows have the stated shares', () => {
    const draws = drawEflow(createStream(3), shape, 0.05, EFLOW_DEFAULTS);
    expectClose(drawEflow(createStream(3), shape, 0.05, EFLOW_DEFAULTS).noise, draws.noise, { rtol: 0, atol: 0 });
    expect(draws.velocityTimestep.shape).toEqual([30]);
    expect(draws.solution.timestep.shape).toEqual([10]);
    let [paths, conditions] = [0, 0];
    for (let step = 0; step < 100; step++) {
      const at = drawEflow(splitStream(createStream(4), step), shape, 0.1, EFLOW_DEFAULTS);
      expect(tf.sum(tf.slice(at.pathDropped, [30], [10])).dataSync()[0]).toBe(0);
      paths += tf.sum(at.pathDropped).dataSync()[0]!;
      conditions += tf.sum(at.conditionDropped).dataSync()[0]!;
    }
    expect(Math.abs(paths / 3000 - 0.1)).toBeLessThan(0.028); // 5 standard errors
    expect(Math.abs(conditions / 4000 - 0.1)).toBeLessThan(0.024);
  });

  it('draws the same from streams and ratios in tensors, and leaves none behind', () => {
    const leaves = (stream: RandomStream, ratio: number | tf.Scalar) => {
      const { solution, ...rest } = drawEflow(stream, shape, ratio, EFLOW_DEFAULTS);
      return [...Object.values(rest), ...Object.values(solution)];
    };
    const stream = uploadStream(createStream(5));
    const ratio = tf.scalar(0.1);
    const expected = leaves(createStream(5), 0.1);
    leaves(stream, ratio).forEach((draw, i) => {
      expectClose(draw, expected[i]!, { rtol: 0, atol: 0 });
    });
    expectNoLeak(() => leaves(createStream(5), 0.1));
    expectNoLeak(() => leaves(stream, ratio));
  });

  it('refuses a batch too small to split', () => {
    expect(splitRows(4, 0.75)).toEqual({ velocityRows: 3, solutionRows: 1 });
    expect(() => splitRows(1, 0.75)).toThrow(
      'a batch of 1 with velocityRatio 0.75 has 1 velocity rows and 0 solution rows',
    );
    expect(() => splitRows(8, 0)).toThrow('0 velocity rows');
  });
});
