import fc from 'fast-check';
import { expect, it } from 'vitest';
import { spread } from './spread.ts';

it('spreads labels in their order, and moves only those in the way', () => {
  const places = fc.array(fc.double({ min: 0, max: 500, noNaN: true }), { minLength: 1, maxLength: 8 });
  fc.assert(
    fc.property(places, (wanted) => {
      const spaced = spread(wanted, 16);
      const order = wanted.map((_, i) => i).sort((a, b) => wanted[a]! - wanted[b]!);
      order.slice(1).forEach((index, i) => {
        expect(spaced[index]! - spaced[order[i]!]!).toBeGreaterThanOrEqual(16 - 1e-9);
      });
      const mean = (list: number[]) => list.reduce((sum, value) => sum + value, 0) / list.length;
      expect(mean(spaced)).toBeCloseTo(mean(wanted), 6);
    }),
  );
  expect(spread([100, 10, 104], 16)).toEqual([94, 10, 110]);
});
