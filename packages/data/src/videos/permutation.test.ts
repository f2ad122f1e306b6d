import fc from 'fast-check';
import { expect, it } from 'vitest';
import { permute } from './permutation.ts';

const order = (size: number, seed: number) => Array.from({ length: size }, (_, i) => permute(i, size, seed));

it('gives every place once, whatever the size', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 400 }), fc.nat(), (size, seed) => {
      expect(order(size, seed).sort((a, b) => a - b)).toEqual(Array.from({ length: size }, (_, i) => i));
    }),
  );
});

it('gives another order for another seed', () => {
  const orders = Array.from({ length: 50 }, (_, seed) => order(20, seed).join());
  expect(new Set(orders).size).toBe(50);
});

it('puts each thing anywhere about as often', () => {
  const counts = new Array(7).fill(0);
  for (let seed = 0; seed < 7000; seed++) counts[permute(3, 7, seed)]++;
  for (const count of counts) expect(Math.abs(count - 1000)).toBeLessThan(5 * Math.sqrt(1000));
});
