import fc from 'fast-check';
import { expect, it } from 'vitest';
import { drawSprite } from './draw-sprite.ts';

/** A picture of one colour, RGB already multiplied by alpha. */
const plain = (side: number, rgba: number[]) => ({
  side,
  pixels: Uint8Array.from({ length: side ** 2 * 4 }, (_, i) => rgba[i % 4]!),
});
const canvasOf = (width: number, height: number) => new Uint8Array(width * height * 3).fill(100);
const redAt = (canvas: Uint8Array, width: number, x: number, y: number) => canvas[(y * width + x) * 3];

it('covers whole pixels wholly, mixes by alpha, and leaves the rest alone', () => {
  const canvas = canvasOf(8, 6);
  drawSprite(canvas, 8, [plain(4, [60, 0, 0, 128])], { x: 2, y: 1, size: 4 });
  const mixed = Math.round(60 + 100 * (1 - 128 / 255));
  for (let y = 0; y < 6; y++)
    for (let x = 0; x < 8; x++) expect(redAt(canvas, 8, x, y)).toBe(x >= 2 && x < 6 && y >= 1 && y < 5 ? mixed : 100);
});

it('shares a pixel where a sprite ends within it', () => {
  const canvas = canvasOf(8, 8);
  drawSprite(canvas, 8, [plain(4, [200, 0, 0, 255])], { x: 1.5, y: 2, size: 4 });
  expect([1, 2, 4, 5].map((x) => redAt(canvas, 8, x, 3))).toEqual([150, 200, 200, 150]);
});

it('takes the smallest picture that is no coarser than the canvas, and clips at its edges', () => {
  const pictures = [plain(8, [8, 0, 0, 255]), plain(4, [4, 0, 0, 255]), plain(2, [2, 0, 0, 255])];
  const seen = [2, 3, 4, 5, 9].map((size) => {
    const canvas = canvasOf(16, 16);
    drawSprite(canvas, 16, pictures, { x: 2, y: 2, size });
    return redAt(canvas, 16, 3, 3);
  });
  expect(seen).toEqual([2, 4, 4, 8, 8]);
  const canvas = canvasOf(4, 4);
  drawSprite(canvas, 4, pictures, { x: -2, y: 3, size: 4 });
  expect([0, 1, 2].map((x) => redAt(canvas, 4, x, 3))).toEqual([4, 4, 100]);
});

it('leaves colours between those of the sprite and of the ground, at any place and size', () => {
  const pictures = [16, 8, 4].map((side) => plain(side, [60, 60, 60, 128]));
  const lowest = Math.floor(60 + 100 * (1 - 128 / 255));
  const place = fc.record({
    x: fc.double({ min: -12, max: 12, noNaN: true }),
    y: fc.double({ min: -12, max: 12, noNaN: true }),
    size: fc.double({ min: 1, max: 14, noNaN: true }),
  });
  fc.assert(
    fc.property(place, (at) => {
      const canvas = canvasOf(10, 10);
      drawSprite(canvas, 10, pictures, at);
      for (const value of canvas) {
        expect(value).toBeGreaterThanOrEqual(Math.min(lowest, 100));
        expect(value).toBeLessThanOrEqual(Math.max(lowest + 1, 100));
      }
    }),
  );
});
