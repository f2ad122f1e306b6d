import { expectClose } from '@eflow/testing';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import fixtures from './fixtures/frechet.json' with { type: 'json' };
import { type FeatureSums, finishStatistics, mergeSums, sumFeatures } from './statistics.ts';

const anyRows = fc
  .record({ numFeatures: fc.integer({ min: 1, max: 5 }), rows: fc.integer({ min: 2, max: 20 }), offset: fc.integer() })
  .chain(({ numFeatures, rows, offset }) =>
    fc.record({
      numFeatures: fc.constant(numFeatures),
      rows: fc.array(
        fc.array(fc.double({ min: -1e3, max: 1e3, noNaN: true }), { minLength: numFeatures, maxLength: numFeatures }),
        { minLength: rows, maxLength: rows },
      ),
      cuts: fc.array(fc.nat({ max: rows }), { maxLength: 4 }),
      offset: fc.constant(offset % 1e4),
    }),
  );

const expectSame = (actual: FeatureSums, expected: FeatureSums) => {
  const scale = Math.max(1, ...expected.scatter.map(Math.abs));
  expect(actual.count).toBe(expected.count);
  expectClose(actual.mean, expected.mean, { rtol: 1e-12, atol: 1e-9 });
  expectClose(actual.scatter, expected.scatter, { rtol: 0, atol: 1e-9 * scale });
};

describe('feature statistics', () => {
  it("agree with numpy's mean and covariance (reference/frechet_fixtures.py)", () => {
    for (const { a, numFeatures, meanA, covarianceA } of fixtures.cases) {
      const { mean, covariance } = finishStatistics(
        sumFeatures({ features: Float64Array.from(a), numFeatures }),
        'N-1',
      );
      expectClose(mean, meanA, { rtol: 1e-13, atol: 1e-13 });
      expectClose(covariance, covarianceA, { rtol: 1e-12, atol: 1e-12 });
    }
  });

  it('are the same in one piece, merged from any pieces, and in reverse order', () => {
    fc.assert(
      fc.property(anyRows, ({ rows, numFeatures, cuts, offset }) => {
        const sum = (part: number[][]) =>
          sumFeatures({ features: Float64Array.from(part.flat().map((value) => value + offset)), numFeatures });
        const whole = sum(rows);
        const bounds = [0, ...cuts.sort((x, y) => x - y), rows.length];
        const pieces = bounds.slice(1).map((end, i) => sum(rows.slice(bounds[i], end)));
        expectSame(pieces.reduce(mergeSums), whole);
        expectSame(pieces.reduceRight(mergeSums), whole);
        expectSame(sum([...rows].reverse()), whole);
      }),
    );
  });

  it('keep the variance of features far from zero, streamed row by row', () => {
    const rows = [1, 2, 3, 4].map((x) => sumFeatures({ features: Float64Array.of(1e8 + x), numFeatures: 1 }));
    const sums = rows.reduce(mergeSums, sumFeatures({ features: new Float64Array(0), numFeatures: 1 }));
    expect(finishStatistics(sums, 'N').covariance[0]).toBeCloseTo(1.25, 6);
    expect(finishStatistics(sums, 'N-1').covariance[0]).toBeCloseTo(5 / 3, 6);
  });

  it('take float32 rows, record the rule, and leave the sums as they were', () => {
    const sums = sumFeatures({ features: Float32Array.of(0, 2, 4, 6), numFeatures: 2 });
    const statistics = finishStatistics(sums, 'N');
    expect(statistics).toEqual({
      count: 2,
      mean: Float64Array.of(2, 4),
      covariance: Float64Array.of(4, 4, 4, 4),
      covarianceRule: 'N',
    });
    statistics.mean[0] = 99;
    expect(sums.mean[0]).toBe(2);
  });

  it('refuse what is no table of finite numbers, and fewer than 2 rows', () => {
    expect(() => sumFeatures({ features: Float32Array.of(1, 2, 3, Number.NaN), numFeatures: 2 })).toThrow(
      'row 1, feature 1 is NaN',
    );
    expect(() => sumFeatures({ features: Float32Array.of(1, -Infinity), numFeatures: 2 })).toThrow(
      'row 0, feature 1 is -Infinity',
    );
    expect(() => sumFeatures({ features: new Float32Array(5), numFeatures: 2 })).toThrow(
      '5 values are no whole number of rows of 2 features',
    );
    for (const bad of [0, -1, 1.5])
      expect(() => sumFeatures({ features: new Float32Array(2), numFeatures: bad })).toThrow(`numFeatures is ${bad}`);
    expect(() => finishStatistics(sumFeatures({ features: new Float32Array(3), numFeatures: 3 }), 'N')).toThrow(
      '1 rows of features; at least 2',
    );
    const [two, three] = [2, 3].map((size) => sumFeatures({ features: new Float32Array(6), numFeatures: size })) as [
      FeatureSums,
      FeatureSums,
    ];
    expect(() => mergeSums(two, three)).toThrow('2 against 3 features; use one extractor');
  });
});
