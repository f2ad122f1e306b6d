import { describe, expect, it } from 'vitest';
import { antialiasWeights, resizeSquare } from './resize.ts';

describe('antialiasWeights', () => {
  it('is the identity for equal sizes', () => {
    antialiasWeights(5, 5).forEach((row, out) => {
      row.forEach((weight, i) => {
        expect(weight).toBe(i === out ? 1 : 0);
      });
    });
  });

  // 4 -> 2: step 2, reach 2, centre 1: 1 - |i + 0.5 - 1| / 2 = 3/4, 3/4, 1/4, 0, whose sum is 7/4; the other by symmetry.
  it('has the weights worked out by hand', () => {
    const [first, second] = antialiasWeights(4, 2);
    expect(first!.map((weight) => weight * 7)).toEqual(Float32Array.of(3, 3, 1, 0));
    expect(second!.map((weight) => weight * 7)).toEqual(Float32Array.of(0, 1, 3, 3));
  });

  // 2 -> 4: step 1/2, reach 1, centres 1/4, 3/4, 5/4, 7/4: plain bilinear between the centres 1/2 and 3/2.
  it('interpolates when it enlarges', () => {
    expect(antialiasWeights(2, 4).map((row) => [...row])).toEqual([
      [1, 0],
      [0.75, 0.25],
      [0.25, 0.75],
      [0, 1],
    ]);
  });
});

describe('resizeSquare', () => {
  it.each([7, 12, 28, 37])('keeps a constant image and a transposed image to side %i', (size) => {
    const weights = antialiasWeights(28, size);
    for (const value of resizeSquare(new Uint8Array(28 * 28).fill(200), weights)) expect(value).toBeCloseTo(200, 3);
    const image = Uint8Array.from({ length: 28 * 28 }, (_, i) => (i * i * 7) % 256);
    const transposed = image.map((_, i) => image[(i % 28) * 28 + Math.floor(i / 28)]!);
    const resized = resizeSquare(image, weights);
    resizeSquare(transposed, weights).forEach((value, i) => {
      expect(value).toBeCloseTo(resized[(i % size) * size + Math.floor(i / size)]!, 3);
    });
  });
});
