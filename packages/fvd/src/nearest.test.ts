import { philoxNormal } from '@eflow/tensor';
import { expectClose } from '@eflow/testing';
import { describe, expect, it } from 'vitest';
import type { FeatureSet } from './feature-set.ts';
import { coverage, findNearest } from './nearest.ts';

const line = (...places: number[]): FeatureSet => ({ features: Float64Array.from(places), numFeatures: 1 });
const normalRows = (seed: number, count: number, numFeatures: number, scale = 1, shift = 0): FeatureSet => ({
  features: philoxNormal([seed, 3], count * numFeatures).map((x) => scale * x + shift),
  numFeatures,
});

describe('coverage', () => {
  it('counts balls, on a line', () => {
    // To their nearest: real 0, 1, 3, 10 reach 1, 1, 2, 7; generated 0.5, 2, 20 reach 1.5, 1.5, 18.
    const result = coverage(line(0, 1, 3, 10), line(0.5, 2, 20), 1);
    // 0.5 lies in the balls of 0 and 1; 2 in those of 3 (1 away) and, at its very edge, not of 1; 20 in none.
    expectClose([result.precision, result.density, result.coverage, result.recall], [2 / 3, 3 / 3, 3 / 4, 1], {
      rtol: 1e-12,
    });
  });

  it('is near 1 for one distribution, and tells what lacks from what is wrong', () => {
    const real = normalRows(1, 300, 4);
    const alike = coverage(real, normalRows(2, 300, 4));
    expect(Math.min(alike.precision, alike.recall, alike.coverage)).toBeGreaterThan(0.85);
    expect(Math.abs(alike.density - 1)).toBeLessThan(0.15);
    const narrow = coverage(real, normalRows(3, 300, 4, 0.2)); // good ones, and few kinds
    expect(narrow.precision).toBeGreaterThan(0.95);
    expect(narrow.recall).toBeLessThan(0.3);
    const far = coverage(real, normalRows(4, 300, 4, 1, 20));
    expect(far).toEqual({ precision: 0, recall: 0, density: 0, coverage: 0 });
  });

  it('refuses too few and an impossible k', () => {
    expect(() => coverage(line(1, 2, 3), line(1, 2, 3), 3)).toThrow('3 videos; at least 4');
    expect(() => coverage(line(1, 2, 3), line(1, 2, 3), 0)).toThrow('k is 0');
  });
});

describe('findNearest', () => {
  it('finds copies', () => {
    const trained = normalRows(1, 50, 8);
    const generated = normalRows(2, 3, 8);
    generated.features.set(trained.features.subarray(8 * 31, 8 * 32), 8); // the second is a copy
    const nearest = findNearest(generated, trained);
    expect(nearest[1]).toEqual({ index: 31, distance: 0 });
    expect(Math.min(nearest[0]!.distance, nearest[2]!.distance)).toBeGreaterThan(0.5);
    expect(() => findNearest(generated, { features: new Float32Array(0), numFeatures: 8 })).toThrow('0 videos');
  });
});
