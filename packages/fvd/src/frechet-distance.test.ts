import { expectClose, fixtureNumbers } from '@eflow/testing';
import fc from 'fast-check';
import { Matrix, QrDecomposition } from 'ml-matrix';
import { describe, expect, it } from 'vitest';
import { type FeatureSet, pickRows } from './feature-set.ts';
import fixtures from './fixtures/frechet.json' with { type: 'json' };
import { featureDistance, frechetDistance } from './frechet-distance.ts';
import { type CovarianceRule, type FeatureStatistics, finishStatistics, sumFeatures } from './statistics.ts';

const gaussian = (mean: number[], covariance: number[][]): FeatureStatistics => ({
  count: 1000,
  mean: Float64Array.from(mean),
  covariance: Float64Array.from(covariance.flat()),
  covarianceRule: 'N-1',
});

const diagonal = (values: number[]) => values.map((value, i) => values.map((_, j) => (i === j ? value : 0)));

/** A fixed sequence of numbers that look normal: sums of 12 uniform ones from a Weyl sequence. */
const createNormal = (seed: number) => {
  let state = seed * 0.7548776662466927;
  const next = () => {
    state = (state + 0.5698402909980532) % 1;
    return (Math.sin(state * 12.9898) * 43758.5453) % 1;
  };
  return () => Array.from({ length: 12 }, next).reduce((sum, x) => sum + Math.abs(x), -6);
};

const randomMatrix = (rows: number, columns: number, normal: () => number) =>
  new Matrix(Array.from({ length: rows }, () => Array.from({ length: columns }, normal)));

/** The mean and covariance of `rows` random rows of `size` features. */
const randomStatistics = (rows: number, size: number, seed: number, rotation = Matrix.eye(size)) => {
  const normal = createNormal(seed);
  const features = randomMatrix(rows, size, normal).mmul(randomMatrix(size, size, createNormal(seed + 0.5)));
  return finishStatistics(
    sumFeatures({ features: Float64Array.from(features.mmul(rotation).to1DArray()), numFeatures: size }),
    'N-1',
  );
};

const anyVariances = (size: number) =>
  fc.array(fc.double({ min: 0, max: 100, noNaN: true }), { minLength: size, maxLength: size });

describe('frechetDistance', () => {
  it('has the closed form of diagonal Gaussians, zero variances included', () => {
    const anyPair = fc
      .integer({ min: 1, max: 6 })
      .chain((size) => fc.tuple(anyVariances(size), anyVariances(size), anyVariances(size), anyVariances(size)));
    fc.assert(
      fc.property(anyPair, ([meanA, meanB, a, b]) => {
        const expected = a.reduce(
          (sum, _, i) => sum + (meanA[i]! - meanB[i]!) ** 2 + (Math.sqrt(a[i]!) - Math.sqrt(b[i]!)) ** 2,
          0,
        );
        const actual = frechetDistance(gaussian(meanA, diagonal(a)), gaussian(meanB, diagonal(b)));
        expect(Math.abs(actual - expected)).toBeLessThan(1e-4); // variances under 1e-15 of the largest count as none
      }),
    );
  });

  it('is |mean difference|^2 for equal covariances and 0 for equal Gaussians, singular ones too', () => {
    for (const [rows, size] of [
      [200, 12],
      [13, 12],
      [5, 12],
      [2, 12],
    ] as const) {
      const a = randomStatistics(rows, size, rows);
      const b = { ...a, mean: a.mean.map((value, i) => value + i) };
      expect(frechetDistance(a, a)).toBeLessThan(1e-9);
      expectClose([frechetDistance(a, b)], [506], { rtol: 1e-9, atol: 0 }); // 0^2 + 1^2 + ... + 11^2
    }
  });

  it.each(fixtures.cases)("agrees with scipy's matrix square root: $name (reference/frechet_fixtures.py)", (entry) => {
    for (const rule of ['N', 'N-1'] satisfies CovarianceRule[]) {
      const [a, b] = [entry.a, entry.b].map((rows) =>
        finishStatistics(sumFeatures({ features: Float64Array.from(rows), numFeatures: entry.numFeatures }), rule),
      ) as [FeatureStatistics, FeatureStatistics];
      expectClose([frechetDistance(a, b)], [entry[rule]], { rtol: 1e-9, atol: 1e-9 });
    }
  });

  it('agrees with it on 200 random pairs, half of them with singular covariances', () => {
    const draw = (text: string, rows: number, columns: number) => {
      const x = fixtureNumbers(text, [rows, columns]);
      const matrix = Matrix.from1DArray(rows, columns, x.dataSync<'float32'>());
      x.dispose();
      return matrix;
    };
    for (const [i, pair] of fixtures.pairs.entries()) {
      const D = pair.numFeatures;
      const mix = draw(`frechet ${i} mix`, D, D);
      const [a, b] = ['a', 'b'].map((name, k) => draw(`frechet ${i} ${name}`, pair.rows[k]!, D).mmul(mix)) as [
        Matrix,
        Matrix,
      ];
      const set = (matrix: Matrix): FeatureSet => ({ features: Float64Array.from(matrix.to1DArray()), numFeatures: D });
      const [left, right] = [set(a), set(b.div(2).add(1))];
      for (const rule of ['N', 'N-1'] satisfies CovarianceRule[]) {
        expectClose([featureDistance(left, right, rule)], [pair[rule]], { rtol: 1e-6, atol: 0 });
      }
    }
  });

  it('is the same of features as of their statistics, with fewer videos than features and with more', () => {
    const x = fixtureNumbers('few', [30, 12]);
    const features = x.dataSync<'float32'>();
    x.dispose();
    const rows = (from: number, to: number) => ({ features: features.subarray(12 * from, 12 * to), numFeatures: 12 });
    for (const [a, b] of [
      [rows(0, 5), rows(5, 12)],
      [rows(0, 3), rows(3, 30)],
      [rows(0, 15), rows(15, 30)],
    ] as const) {
      for (const rule of ['N', 'N-1'] satisfies CovarianceRule[]) {
        const [left, right] = [a, b].map((set) => finishStatistics(sumFeatures(set), rule));
        const expected = frechetDistance(left!, right!);
        expectClose([featureDistance(a, b, rule)], [expected], { rtol: 1e-9, atol: 0 });
      }
    }
    expect(() => featureDistance(rows(0, 1), rows(1, 9), 'N')).toThrow('1 videos; at least 2 of each kind are needed');
  });

  it('does not depend on the order of the videos', () => {
    const x = fixtureNumbers('order', [40, 9]);
    const features = x.dataSync<'float32'>();
    x.dispose();
    const rows = (from: number, to: number) => ({ features: features.subarray(9 * from, 9 * to), numFeatures: 9 });
    const backwards = pickRows(
      rows(0, 25),
      Array.from({ length: 25 }, (_, i) => 24 - i),
    );
    const distance = featureDistance(rows(0, 25), rows(25, 40), 'N-1');
    expectClose([featureDistance(backwards, rows(25, 40), 'N-1')], [distance], { rtol: 1e-12, atol: 0 });
  });

  it('is symmetric and does not change under a common rotation, full rank or singular', () => {
    for (const rows of [100, 6]) {
      const rotation = new QrDecomposition(randomMatrix(10, 10, createNormal(3))).orthogonalMatrix;
      const [a, b] = [randomStatistics(rows, 10, 1), randomStatistics(40, 10, 2)];
      const [turnedA, turnedB] = [randomStatistics(rows, 10, 1, rotation), randomStatistics(40, 10, 2, rotation)];
      const distance = frechetDistance(a, b);
      expect(distance).toBeGreaterThan(1);
      expectClose([frechetDistance(b, a), frechetDistance(turnedA, turnedB)], [distance, distance], {
        rtol: 1e-10,
        atol: 0,
      });
    }
  });

  it('of rank-one covariances is that of two lines', () => {
    // u u^T and v v^T: the root of u u^T v v^T has the trace |u . v|, so |u|^2 + |v|^2 - 2 |u . v|.
    const [u, v] = [
      [1, 2, 3],
      [-2, 0, 1],
    ] as const;
    const outer = (w: readonly number[]) => w.map((x) => w.map((y) => x * y));
    expect(frechetDistance(gaussian([0, 0, 0], outer(u)), gaussian([0, 0, 0], outer(v)))).toBeCloseTo(14 + 5 - 2, 10);
    expect(frechetDistance(gaussian([0, 0, 3], outer([0, 0, 0])), gaussian([0, 0, 0], outer(u)))).toBeCloseTo(
      9 + 14,
      10,
    );
  });

  it('takes 400 features of 64 videos, and is 0 against itself', () => {
    const [a, b] = [1, 2].map((seed) => {
      const normal = createNormal(seed);
      return finishStatistics(
        sumFeatures({ features: Float64Array.from({ length: 64 * 400 }, normal), numFeatures: 400 }),
        'N',
      );
    }) as [FeatureStatistics, FeatureStatistics];
    expect(frechetDistance(a, a)).toBeLessThan(1e-6);
    expect(frechetDistance(a, b)).toBeGreaterThan(10);
  });

  it('refuses statistics that do not go together or are not finite', () => {
    const a = gaussian([0, 0], diagonal([1, 1]));
    expect(() => frechetDistance(a, gaussian([0], [[1]]))).toThrow('2 against 1 features');
    expect(() => frechetDistance(a, { ...a, covarianceRule: 'N' })).toThrow('covariance / N-1 against / N');
    expect(() => frechetDistance(gaussian([Number.NaN, 0], diagonal([1, 1])), a)).toThrow('holds NaN');
    expect(() => frechetDistance(a, gaussian([0, 0], diagonal([1, Infinity])))).toThrow('holds NaN or infinity');
    expect(() => frechetDistance(a, { ...a, covariance: new Float64Array(3) })).toThrow('expected 2 x 2');
  });
});
