import { type Clips, philoxUniform } from '@eflow/tensor';
import { expectClose } from '@eflow/testing';
import { describe, expect, it } from 'vitest';
import { findNearest } from './nearest.ts';
import { compareTemporal, pixelFeatures, type TemporalFigures, temporalFigures } from './temporal.ts';

const [F, SIDE] = [6, 8];
const clip = (pixel: (f: number, y: number, x: number) => number): Clips => ({
  pixels: Uint8Array.from({ length: F * SIDE * SIDE }, (_, i) =>
    pixel(Math.floor(i / SIDE ** 2), Math.floor(i / SIDE) % SIDE, i % SIDE),
  ),
  shape: [1, F, SIDE, SIDE, 1],
});
const figures = (pixel: Parameters<typeof clip>[0]) => temporalFigures(clip(pixel))[0]!;
const noise = philoxUniform([1, 2], F * SIDE ** 2);

describe('temporalFigures', () => {
  it('of a still are those of no motion', () => {
    expect(figures((_, y, x) => 10 * y + x)).toEqual({
      motion: 0,
      roughness: 0,
      flicker: 0,
      similarity: expect.closeTo(1, 12),
    });
    expect(figures(() => 7).similarity).toBe(1);
  });

  it('of a change that goes on as it is are smooth, and of one that is undone each time rough', () => {
    const rising = figures((f, y) => 20 * f + y);
    expectClose([rising.motion, rising.roughness, rising.flicker], [20 / 255, 0, 0], { atol: 1e-12 });
    const blinking = figures((f, y) => (f % 2 ? 60 : 20) + y);
    expectClose([blinking.motion, blinking.roughness, blinking.flicker], [40 / 255, 1, 80 / 255], { atol: 1e-12 });
    expect(blinking.similarity).toBeCloseTo(1, 10); // the picture stays, its brightness does not
    const snow = figures((f, y, x) => Math.floor(255 * noise[(f * SIDE + y) * SIDE + x]!));
    expect(snow.roughness).toBeGreaterThan(0.6);
    expect(snow.flicker).toBeLessThan(0.1);
    expect(Math.abs(snow.similarity)).toBeLessThan(0.2);
  });

  it('refuses two frames and pixels that are too few', () => {
    expect(() => temporalFigures({ pixels: new Uint8Array(8), shape: [1, 2, 2, 2, 1] })).toThrow('clips of 2 frames');
    expect(() => temporalFigures({ pixels: new Uint8Array(8), shape: [1, 3, 2, 2, 1] })).toThrow('8 pixels');
    expect(() => temporalFigures({ pixels: new Uint8Array(0), shape: [0, 3, 2, 2, 1] })).toThrow('all of at least 1');
  });
});

describe('compareTemporal', () => {
  it('gives means, and by how much the clips are to move', () => {
    const of = (motion: number): TemporalFigures => ({ motion, roughness: 0, flicker: 0, similarity: 1 });
    const { motion, similarity } = compareTemporal([of(1), of(3)], [of(2), of(4), of(4), of(2)]);
    expect(motion).toEqual({ real: 2, generated: 3, distance: 1 });
    expect(similarity.distance).toBe(0);
    // The same mean, and no clip alike.
    expect(compareTemporal([of(0), of(4)], [of(2)]).motion).toEqual({ real: 2, generated: 2, distance: 2 });
    expect(() => compareTemporal([], [of(1)])).toThrow('0 real and 1 generated');
  });
});

describe('pixelFeatures', () => {
  it('are means of places, by which copies are found', () => {
    const { features, numFeatures } = pixelFeatures(
      clip((f, y, x) => (f === 1 && y < 4 && x >= 4 ? 255 : 0)),
      2,
    );
    expect(numFeatures).toBe(F * 4);
    expect([...features]).toEqual(Array.from({ length: 24 }, (_, i) => (i === 5 ? 1 : 0)));
    const many: Clips = {
      pixels: Uint8Array.from({ length: 5 * 3 * 27 }, (_, i) => (i * i * 7919) % 256),
      shape: [5, 1, 9, 9, 1],
    };
    const copy: Clips = {
      pixels: many.pixels.slice(3 * 81, 4 * 81).map((x) => Math.min(255, x + 1)),
      shape: [1, 1, 9, 9, 1],
    };
    const [nearest] = findNearest(pixelFeatures(copy, 3), pixelFeatures(many, 3));
    expect(nearest!.index).toBe(3);
    expect(nearest!.distance).toBeLessThan(0.02);
    expect(() => pixelFeatures(many, 10)).toThrow('side is 10');
  });
});
