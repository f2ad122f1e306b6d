import { createStream, randomNormal } from '@eflow/tensor';
import { expectClose, expectNoLeak } from '@eflow/testing';
import * as tf from '@tensorflow/tfjs-core';
import { describe, expect, it } from 'vitest';
import { drawGuidanceScale, guidanceFade, guidanceScaleAt, guidedVelocity } from './guidance.ts';

const velocity = randomNormal(createStream(1), [4, 3]);
const reference = randomNormal(createStream(2), [4, 3]);
const t = tf.tensor1d([0, 0.5, 0.9, 1]);

describe('guidanceFade', () => {
  it('is 1 up to t = 0.8 and 0 at t = 1', () => {
    // t = 0.9: d = 0.1 / 0.2 = 1/2, so 1 - exp(-0.025); t = 0.98: d = 0.1, so 1 - exp(-0.025 / 9).
    const expected = [1, 1, 1, 1 - Math.exp(-0.025), 1 - Math.exp(-0.025 / 9), 0];
    expectClose(guidanceFade(tf.tensor1d([0, 0.79, 0.8, 0.9, 0.98, 1])), expected, { atol: 1e-6 });
    expectNoLeak(() => guidanceFade(t));
  });

  it('falls from 1, without a jump', () => {
    const times = Array.from({ length: 1001 }, (_, i) => 0.8 + 0.0002 * i);
    const fade = guidanceFade(tf.tensor1d(times)).dataSync();
    for (let i = 1; i < fade.length; i++) expect(fade[i]!).toBeLessThanOrEqual(fade[i - 1]!);
    expectClose(guidanceFade(tf.tensor1d([0.80001])), [1], { atol: 1e-6 });
  });
});

describe('guidedVelocity', () => {
  const [v, r] = [velocity.dataSync(), reference.dataSync()];
  const fade = [1, 1, 1 - Math.exp(-0.025), 0];
  const expected = Array.from(v, (value, i) => value + fade[Math.floor(i / 3)]! * 2 * (value - r[i]!));

  it.each([3, tf.scalar(3)])('moves away from the reference by k(t) (omega - 1)', (scale) => {
    expectClose(guidedVelocity(velocity, reference, t, scale), expected);
    expectNoLeak(() => guidedVelocity(velocity, reference, t, scale));
  });

  it.each([1, tf.scalar(1)])('with scale 1 is the plain velocity', (scale) => {
    expectClose(guidedVelocity(velocity, reference, t, scale), velocity, { rtol: 0, atol: 0 });
  });
});

it('guides every row by its own scale', () => {
  const scales = [1, 1.5, 2, 4];
  const expected = scales.map((scale, row) =>
    tf.slice(guidedVelocity(velocity, reference, t, scale), [row, 0], [1, 3]),
  );
  expectClose(guidedVelocity(velocity, reference, t, tf.tensor1d(scales)), tf.concat(expected), { atol: 1e-6 });
});

describe('guidanceScaleAt', () => {
  const at = (progress: number, guidanceWarmup: number) =>
    guidanceScaleAt(progress, { guidanceScale: 3, guidanceWarmup, targetMixRatio: 1 });

  it('rises evenly from 1 over the warm-up, and stays', () => {
    expect([0, 0.05, 0.1, 0.2, 0.21, 1].map((progress) => at(progress, 0.2))).toEqual([1, 1.5, 2, 3, 3, 3]);
    expect([at(0, 1), at(0.5, 1), at(1, 1)]).toEqual([1, 2, 3]);
  });

  it('is full from the first step on where there is no warm-up', () => {
    expect([at(0, 0), at(0.5, 0), at(1, 0)]).toEqual([3, 3, 3]);
  });
});

describe('drawGuidanceScale', () => {
  const range = (min: number, max: number) => ({ guidanceScale: { min, max, default: max } });
  const draw = (rows: number, largest: number | tf.Scalar, options: ReturnType<typeof range>) =>
    Array.from(drawGuidanceScale(createStream(5), rows, largest, options).guidanceScale!.dataSync());

  it('is uniform in its logarithm, from the least to the largest', () => {
    const rows = 20_000;
    const shares = draw(rows, 4, range(1.25, 4)).map((scale) => Math.log(scale / 1.25) / Math.log(4 / 1.25));
    shares.sort((a, b) => a - b);
    expect(shares[0]).toBeGreaterThanOrEqual(-1e-7);
    expect(shares.at(-1)).toBeLessThanOrEqual(1 + 1e-7);
    // The largest distance from the uniform distribution, by Kolmogorov and Smirnov: below 1.95 / sqrt(n) in 99.9 % of draws.
    const distance = Math.max(...shares.map((share, i) => Math.abs(share - (i + 0.5) / rows)));
    expect(distance).toBeLessThan(1.95 / Math.sqrt(rows));
  });

  it('rises with the warm-up, and is one scale while the largest is below the least', () => {
    expect(new Set(draw(7, 1, range(1, 4)))).toEqual(new Set([1]));
    expect(new Set(draw(7, 1.5, range(2, 4)))).toEqual(new Set([1.5]));
    const half = draw(1000, tf.scalar(2.5), range(2, 4));
    expect(Math.min(...half)).toBeGreaterThanOrEqual(2);
    expect(Math.max(...half)).toBeLessThanOrEqual(2.5);
    expect(Math.max(...half) - Math.min(...half)).toBeGreaterThan(0.49);
    const at = (progress: number) =>
      guidanceScaleAt(progress, { ...range(2, 4), guidanceWarmup: 0.5, targetMixRatio: 1 });
    expect([0, 0.25, 0.5, 1].map(at)).toEqual([1, 2.5, 4, 4]);
  });

  it('is none where the scale is a number', () => {
    expect(drawGuidanceScale(createStream(5), 7, 3, { guidanceScale: 3 })).toEqual({});
  });

  it('leaves what it returns', () => {
    expectNoLeak(() => drawGuidanceScale(createStream(5), 7, 3, range(1, 4)).guidanceScale!);
  });
});
