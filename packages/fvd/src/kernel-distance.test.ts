import { philoxNormal } from '@eflow/tensor';
import { expectClose } from '@eflow/testing';
import { describe, expect, it } from 'vitest';
import type { FeatureSet } from './feature-set.ts';
import { kernelDistance } from './kernel-distance.ts';

/** Normal rows with their first feature moved by `shift`. */
function normalRows(seed: number, count: number, numFeatures: number, shift = 0): FeatureSet {
  const features = philoxNormal([seed, 7], count * numFeatures);
  for (let row = 0; row < count; row++) features[row * numFeatures]! += shift;
  return { features, numFeatures };
}

describe('kernelDistance', () => {
  it('is the definition, written down for three rows of each', () => {
    const [a, b] = [
      [1, 2, 0, -1, 3, 1],
      [0, 1, 2, 2, -1, 1],
    ];
    const rows = (values: number[]) => [values.slice(0, 2), values.slice(2, 4), values.slice(4)] as [number, number][];
    const k = ([x0, x1]: [number, number], [y0, y1]: [number, number]) => ((x0 * y0 + x1 * y1) / 2 + 1) ** 3;
    let [within, across] = [0, 0];
    for (const [i, x] of rows(a!).entries()) {
      for (const [j, y] of rows(a!).entries()) if (i !== j) within += k(x, y) / 6;
      for (const y of rows(b!)) across += k(x, y) / 9;
    }
    for (const [i, x] of rows(b!).entries())
      for (const [j, y] of rows(b!).entries()) if (i !== j) within += k(x, y) / 6;
    const set = (values: number[]): FeatureSet => ({ features: Float64Array.from(values), numFeatures: 2 });
    const { distance } = kernelDistance(set(a!), set(b!));
    expectClose([distance, kernelDistance(set(b!), set(a!)).distance], [within - 2 * across, within - 2 * across], {
      rtol: 1e-12,
    });
  });

  it('has no bias: sets of one distribution are as often below 0 as above, however few', () => {
    const distances = Array.from(
      { length: 200 },
      (_, i) => kernelDistance(normalRows(2 * i, 12, 4), normalRows(2 * i + 1, 9, 4)).distance,
    );
    const mean = distances.reduce((a, b) => a + b) / 200;
    const deviation = Math.sqrt(distances.reduce((sum, x) => sum + (x - mean) ** 2, 0) / 199);
    expect(Math.abs(mean)).toBeLessThan((3 * deviation) / Math.sqrt(200));
    expect(distances.filter((x) => x < 0).length).toBeGreaterThan(60);
  });

  it('has a standard error that is how much it spreads', () => {
    const results = Array.from({ length: 100 }, (_, i) =>
      kernelDistance(normalRows(2 * i, 60, 5), normalRows(2 * i + 1, 40, 5, 1.5)),
    );
    const mean = results.reduce((sum, { distance }) => sum + distance, 0) / 100;
    const spread = Math.sqrt(results.reduce((sum, { distance }) => sum + (distance - mean) ** 2, 0) / 99);
    const told = results.reduce((sum, { standardError }) => sum + standardError, 0) / 100;
    expect(told / spread).toBeGreaterThan(0.7);
    expect(told / spread).toBeLessThan(1.3);
  });

  it('refuses what it cannot compare', () => {
    const rows = normalRows(1, 5, 4);
    expect(() => kernelDistance(rows, normalRows(1, 5, 3))).toThrow('4 against 3 features');
    expect(() => kernelDistance(rows, normalRows(1, 2, 4))).toThrow('2 videos; at least 3');
    expect(() => kernelDistance(rows, { features: Float32Array.of(1, Number.NaN, 0, 0), numFeatures: 4 })).toThrow(
      'row 0, feature 1 is NaN',
    );
  });
});
