import { createStream } from '@eflow/tensor';
import { expectClose, expectNoLeak } from '@eflow/testing';
import * as tf from '@tensorflow/tfjs-core';
import { describe, expect, it } from 'vitest';
import {
  intervalRatio,
  type JumpTimes,
  MIN_INTERVAL,
  sampleLogitNormal,
  sampleSolutionTimes,
  sampleSortedTimes,
} from './time-sampler.ts';

const ROWS = 20_000;

/** Times of each row, as numbers. */
const readRows = ({ timestep, targetTimestep, nearTimestep, middleTimestep }: JumpTimes) => {
  const [t, s, l, m] = [timestep, targetTimestep, nearTimestep, middleTimestep].map((x) => x.dataSync());
  return Array.from(t!, (_, i) => ({ t: t![i]!, s: s![i]!, l: l![i]!, m: m![i]! }));
};

const share = <Row>(rows: Row[], holds: (row: Row) => boolean) => rows.filter(holds).length / rows.length;
/** Five standard errors of a share that is `p`. */
const band = (p: number) => 5 * Math.sqrt((p * (1 - p)) / ROWS);
const sigmoid = (x: number) => 1 / (1 + Math.exp(-x));

/** Fails unless 0 <= s <= l < t <= 1 and s <= m <= t, and m cuts every stretch of (s, t) as often as it is long. */
function expectOrder(rows: ReturnType<typeof readRows>) {
  for (const { t, s, l, m } of rows) {
    const ordered = 0 <= s && s <= l && l < t && t <= 1 && s <= m && m <= t;
    if (!ordered) expect.fail(`t ${t}, s ${s}, l ${l}, m ${m}`);
  }
  for (const p of [0.1, 0.5, 0.9]) {
    expect(Math.abs(share(rows, ({ t, s, m }) => m - s < p * (t - s)) - p)).toBeLessThan(band(p));
  }
}

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
  const draw = (ratio: number | tf.Scalar, change = {}) =>
    sampleSolutionTimes(createStream(2), ROWS, { ...options, ...change, ratio });

  it.each([1, 0.1, 0.002])('are in order, l at the ratio %d of the interval but 1e-4 away from t', (ratio) => {
    const rows = readRows(draw(ratio));
    expectOrder(rows);
    const errors = rows.map(({ t, s, l }) => Math.abs(t - l - Math.max(ratio * (t - s), MIN_INTERVAL)));
    expect(Math.max(...errors)).toBeLessThan(3e-7); // float32 times
    expect(Math.min(...rows.map(({ t, s }) => t - s))).toBeGreaterThan(MIN_INTERVAL - 1.5e-7);
  });

  it('have t of its distribution, and s of its own where that is earlier', () => {
    const rows = readRows(draw(0.1));
    // The points one deviation off, and the median.
    for (const [z, p] of [
      [-1, 0.158655],
      [0, 0.5],
      [1, 0.841345],
    ] as const) {
      expect(Math.abs(share(rows, ({ t }) => t < sigmoid(0.2 + 0.8 * z)) - p)).toBeLessThan(band(p));
    }
    const late = rows.filter(({ t }) => t > sigmoid(1)); // there s is its own draw up to sigmoid(1)
    const below = share(late, ({ s }) => s < sigmoid(-1));
    expect(Math.abs(below - 0.5)).toBeLessThan((5 * 0.5) / Math.sqrt(late.length));
  });

  it('stay in order and within [0, 1] where s is drawn after t, or t close to 0', () => {
    const late = { time: { mean: -9, std: 3 }, targetTime: { mean: 9, std: 1 } };
    const rows = readRows(draw(0.1, late));
    expectOrder(rows);
    expect(Math.min(...rows.map(({ t }) => t))).toBe(Math.fround(MIN_INTERVAL));
  });

  it('are the same with the ratio in a tensor, and leave nothing else', () => {
    const [numbers, tensors] = [draw(0.03), draw(tf.scalar(0.03))];
    for (const key of ['timestep', 'targetTimestep', 'nearTimestep', 'middleTimestep'] as const) {
      expectClose(tensors[key], numbers[key], { rtol: 0, atol: 0 });
    }
    expectNoLeak(() => Object.values(draw(0.03)));
  });
});

describe('sampleSortedTimes', () => {
  const time = { mean: -0.4, std: 1 };

  it.each([MIN_INTERVAL, 0.005, 0.3])('are in order, with room for the gap %d to both sides of t', (gap) => {
    const rows = readRows(sampleSortedTimes(createStream(3), ROWS, { time, gap }));
    expectOrder(rows);
    const largest = (of: (row: (typeof rows)[number]) => number) => Math.max(...rows.map(of));
    expect(largest(({ t }) => Math.fround(t + Math.fround(gap)))).toBeLessThanOrEqual(1);
    expect(largest(({ t, l }) => Math.abs(t - l - gap))).toBeLessThan(1e-7);
    expect(largest(({ t, s }) => s - (t - gap))).toBeLessThan(1e-7);
  });

  it('are the larger and the smaller of two draws', () => {
    const rows = readRows(sampleSortedTimes(createStream(4), ROWS, { time, gap: MIN_INTERVAL }));
    // Both draws are below the median with probability 1/4, one of them at least with 3/4.
    expect(Math.abs(share(rows, ({ t }) => t < sigmoid(-0.4)) - 0.25)).toBeLessThan(band(0.25));
    expect(Math.abs(share(rows, ({ s }) => s < sigmoid(-0.4)) - 0.75)).toBeLessThan(band(0.75));
  });

  it('leave nothing else', () => {
    expectNoLeak(() => Object.values(sampleSortedTimes(createStream(5), 7, { time, gap: 0.01 })));
  });
});
