import fc from 'fast-check';
import { expect, it } from 'vitest';
import { summarise } from './statistics.ts';

it('interpolates between neighbours', () => {
  // Positions 0.25 * 3 = 0.75, 1.5 and 2.25 in 1, 2, 4, 8.
  expect(summarise([8, 1, 4, 2])).toEqual({ min: 1, lowerQuartile: 1.75, median: 3, upperQuartile: 5, max: 8 });
});

it('depends on the values alone, in order from the least to the largest', () => {
  const values = fc.array(fc.double({ min: 1e-6, max: 1e6, noNaN: true }), { minLength: 1, maxLength: 30 });
  fc.assert(
    fc.property(values, (list) => {
      const { min, lowerQuartile, median, upperQuartile, max } = summarise(list);
      expect(summarise([...list].reverse()).median).toBe(median);
      const ordered = [min, lowerQuartile, median, upperQuartile, max];
      ordered.slice(1).forEach((value, i) => {
        expect(value).toBeGreaterThanOrEqual(ordered[i]! - 1e-9);
      });
      expect(min).toBe(Math.min(...list));
      expect(max).toBe(Math.max(...list));
    }),
  );
});

it('refuses an empty list', () => {
  expect(() => summarise([])).toThrow('at least one');
});
