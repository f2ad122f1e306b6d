import { createStream, randomNormal, splitStream } from '@eflow/tensor';
import * as tf from '@tensorflow/tfjs-core';
import { expect, it } from 'vitest';
import { energyDistance } from './energy-distance.ts';

const drawPoints = (label: string, count: number) =>
  tf.tidy(() => randomNormal(splitStream(createStream(3), label), [count, 2]).dataSync());

it('agrees with arithmetic by hand', () => {
  // Two points at a distance of 5: 2 * 5, nothing within a set.
  expect(energyDistance([0, 0], [3, 4])).toBe(10);
  // Across: 5 and 5, mean 5. Within the second: 0, 6, 6, 0, mean 3.
  expect(energyDistance([0, 0], [4, 3, 4, -3])).toBe(2 * 5 - 3);
  // Across: 1, 3, 0, 2, 1, 1, mean 8/6. Within: 0, 1, 2 apart, mean 8/9; and 0, 2, mean 1.
  expect(energyDistance([1, 0, 2, 0, 3, 0], [2, 0, 4, 0])).toBeCloseTo((2 * 8) / 6 - 8 / 9 - 1, 12);
});

it('is 0 for equal sets, whatever their order, and positive and symmetric for others', () => {
  const [a, b] = [drawPoints('a', 97), drawPoints('b', 53)];
  const backwards = Float32Array.from({ length: a.length }, (_, i) => a[a.length - 2 * ((i >> 1) + 1) + (i & 1)]!);
  expect(energyDistance(a, a)).toBe(0);
  expect(energyDistance(a, backwards)).toBeCloseTo(0, 12);
  expect(energyDistance(a, b)).toBeGreaterThan(0);
  expect(energyDistance(a, b)).toBeCloseTo(energyDistance(b, a), 12);
});

it('grows as one set is moved away, towards twice the way', () => {
  const a = drawPoints('a', 97);
  const distances = [1, 3, 1000].map((way) =>
    energyDistance(
      a,
      a.map((value, i) => (i % 2 === 0 ? value + way : value)),
    ),
  );
  expect(distances[1]).toBeGreaterThan(distances[0]!);
  // 2 way less the mean distance within a normal set, twice sqrt(pi) (1 - 1/97) = 3.51.
  expect(distances[2]! - 2000).toBeGreaterThan(-4);
  expect(distances[2]! - 2000).toBeLessThan(-3);
});
