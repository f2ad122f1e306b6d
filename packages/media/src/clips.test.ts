import { describe, expect, it } from 'vitest';
import { type ClipsShape, checkClips, toClips } from './clips.ts';

describe('toClips', () => {
  it('rounds [-1, 1] to bytes and clamps what lies outside', () => {
    const values = Float32Array.of(-1, -0.999, -0.99, 0, 0.6, 1, 1.5, -7, Number.POSITIVE_INFINITY);
    // -0.999 -> 0.1275, -0.99 -> 1.275, 0 -> 127.5, which rounds up, 0.6 -> 204
    expect([...toClips(values, [1, 1, 1, 9, 1]).data]).toEqual([0, 0, 1, 128, 204, 255, 255, 0, 255]);
  });

  it('undoes x / 127.5 - 1 for every byte', () => {
    const bytes = Uint8Array.from({ length: 256 }, (_, value) => value);
    const values = Float32Array.from(bytes, (value) => value / 127.5 - 1);
    expect(toClips(values, [1, 1, 16, 16, 1]).data).toEqual(bytes);
  });

  it('names the first NaN', () => {
    const values = Float32Array.of(0, 0, Number.NaN, 0);
    expect(() => toClips(values, [1, 1, 2, 2, 1])).toThrow('toClips: value 2 of 4 is NaN');
  });
});

describe('checkClips', () => {
  it.each<[ClipsShape, number, string]>([
    [[0, 1, 2, 2, 1], 0, 'expected a shape [N, F, H, W, C] of positive integers, got [0, 1, 2, 2, 1]'],
    [[1, 1, 2, 1.5, 1], 3, 'of positive integers, got [1, 1, 2, 1.5, 1]'],
    [[1, 1, 2, 2, 2], 8, 'expected 1 channel (grey) or 3 (RGB), got 2'],
    [[2, 1, 2, 2, 3], 23, 'expected 24 values for the shape [2, 1, 2, 2, 3], got 23'],
  ])('refuses the shape %j with %d bytes', (shape, length, message) => {
    expect(() => checkClips({ data: new Uint8Array(length), shape })).toThrow(message);
    expect(() => toClips(new Float32Array(length), shape)).toThrow(message);
  });
});
