import { philoxNormal } from '@eflow/tensor';
import { describe, expect, it } from 'vitest';
import type { FeatureSet } from './feature-set.ts';
import { featureDistance } from './frechet-distance.ts';
import { bootstrapInterval, extrapolate } from './uncertainty.ts';

const normalRows = (seed: number, count: number, numFeatures: number, shift = 0): FeatureSet => ({
  features: philoxNormal([seed, 5], count * numFeatures).map((x) => x + shift),
  numFeatures,
});
const meanDifference = (a: FeatureSet, b: FeatureSet) => {
  const mean = ({ features }: FeatureSet) => Array.from(features).reduce((sum, x) => sum + x, 0) / features.length;
  return mean(a) - mean(b);
};
const distance = (a: FeatureSet, b: FeatureSet) => featureDistance(a, b, 'N-1');

describe('bootstrapInterval', () => {
  it('covers the truth as often as it says', () => {
    const options = { resamples: 200, level: 0.9, seed: 1 };
    const covers = Array.from({ length: 100 }, (_, i) => {
      const [low, high] = bootstrapInterval(
        meanDifference,
        normalRows(2 * i, 40, 1, 3),
        normalRows(2 * i + 1, 30, 1),
        options,
      );
      return low <= 3 && 3 <= high;
    });
    const share = covers.filter(Boolean).length / 100;
    expect(share).toBeGreaterThan(0.8);
    expect(share).toBeLessThan(0.97);
  });

  it('is the same for the same seed, and refuses what makes none', () => {
    const [a, b] = [normalRows(1, 20, 2), normalRows(2, 20, 2)];
    const options = { resamples: 50, level: 0.95, seed: 4 };
    expect(bootstrapInterval(distance, a, b, options)).toEqual(bootstrapInterval(distance, a, b, options));
    expect(bootstrapInterval(distance, a, b, { ...options, seed: 5 })).not.toEqual(
      bootstrapInterval(distance, a, b, options),
    );
    expect(() => bootstrapInterval(distance, a, b, { ...options, resamples: 5 })).toThrow('resamples is 5');
    expect(() => bootstrapInterval(distance, a, b, { ...options, level: 95 })).toThrow('level is 95');
  });
});

describe('extrapolate', () => {
  it('takes the bias of a Frechet distance out', () => {
    const [a, b] = [normalRows(1, 600, 6), normalRows(2, 500, 6)];
    const { limit, standardError, points } = extrapolate(distance, a, b, { seed: 1 });
    expect(points[0]!.count).toBe(50);
    expect(points.at(-1)!.count).toBe(500);
    expect(points[0]!.value).toBeGreaterThan(4 * points.at(-1)!.value); // of one distribution: all of it is bias
    expect(Math.abs(limit)).toBeLessThan(points.at(-1)!.value);
    expect(Math.abs(limit)).toBeLessThan(4 * standardError);
    const shifted = extrapolate(distance, a, normalRows(3, 600, 6, 1), { seed: 1 });
    expect(Math.abs(shifted.limit - 6)).toBeLessThan(0.5); // |dmu|^2
  });

  it('refuses too few videos', () => {
    expect(() => extrapolate(distance, normalRows(1, 99, 2), normalRows(2, 200, 2), { seed: 0 })).toThrow(
      '99 videos; at least 100',
    );
  });
});
