import type { Clips, ClipsShape } from '@eflow/tensor/clips';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { checkClips, drawFrames, drawStrip, toRgba } from './grid.ts';

/** Clips whose bytes count up, so that each place has a value of its own. */
const count = (...shape: [number, number, number, number, number]): Clips => ({
  pixels: Uint8Array.from({ length: shape.reduce((product, size) => product * size, 1) }, (_, i) => i),
  shape,
});
const rows = (data: Uint8Array, length: number) =>
  Array.from({ length: data.length / length }, (_, row) => [...data.subarray(row * length, (row + 1) * length)]);

describe('drawFrames', () => {
  it('lays three clips of two frames out by hand', () => {
    const [first, second] = drawFrames(count(3, 2, 1, 2, 1), { columns: 2 });
    expect(rows(first!.data, 5)).toEqual([
      [0, 1, 96, 4, 5],
      [96, 96, 96, 96, 96],
      [8, 9, 96, 96, 96],
    ]);
    expect(rows(second!.data, 5)).toEqual([
      [2, 3, 96, 6, 7],
      [96, 96, 96, 96, 96],
      [10, 11, 96, 96, 96],
    ]);
  });

  it('puts every pixel of every clip where the formula says, at any scale', () => {
    const layout = fc.record({
      shape: fc.tuple(...[5, 3, 4, 4].map((max) => fc.integer({ min: 1, max })), fc.constantFrom(1, 3)),
      columns: fc.integer({ min: 1, max: 6 }),
      scale: fc.integer({ min: 1, max: 3 }),
      border: fc.nat(2),
    });
    fc.assert(
      fc.property(layout, ({ shape, ...options }) => {
        const [numClips, numFrames, height, width, channels] = shape as [number, number, number, number, number];
        const clips = count(numClips, numFrames, height, width, channels);
        const { columns, scale, border } = options;
        const frames = drawFrames(clips, options);
        clips.pixels.forEach((value, i) => {
          const channel = i % channels;
          const x = Math.floor(i / channels) % width;
          const y = Math.floor(i / channels / width) % height;
          const frame = Math.floor(i / channels / width / height) % numFrames;
          const clip = Math.floor(i / channels / width / height / numFrames);
          const left = (clip % columns) * (width * scale + border) + x * scale;
          const top = Math.floor(clip / columns) * (height * scale + border) + y * scale;
          const image = frames[frame]!;
          for (const [dx, dy] of [
            [0, 0],
            [scale - 1, scale - 1],
          ] as const) {
            expect(image.data[((top + dy) * image.width + left + dx) * channels + channel]).toBe(value);
          }
        });
      }),
      { numRuns: 50 },
    );
  });

  it('makes the least square that holds all clips unless told', () => {
    const sides = [1, 2, 4, 5, 9, 10].map((clips) => drawFrames(count(clips, 1, 1, 1, 1), { border: 0 })[0]!);
    expect(sides.map(({ width, height }) => [width, height])).toEqual([
      [1, 1],
      [2, 1],
      [2, 2],
      [3, 2],
      [3, 3],
      [4, 3],
    ]);
  });

  it.each([
    [{ columns: 0 }, 'columns: expected an integer of at least 1, got 0'],
    [{ scale: 1.5 }, 'scale: expected an integer of at least 1, got 1.5'],
    [{ border: -1 }, 'border: expected an integer of at least 0, got -1'],
  ])('refuses %j', (options, message) => {
    expect(() => drawFrames(count(1, 1, 1, 1, 1), options)).toThrow(message);
  });
});

it('drawStrip has a row per clip and a column per frame', () => {
  expect(rows(drawStrip(count(2, 3, 1, 1, 1), { border: 0, scale: 2 }).data, 6)).toEqual([
    [0, 0, 1, 1, 2, 2],
    [0, 0, 1, 1, 2, 2],
    [3, 3, 4, 4, 5, 5],
    [3, 3, 4, 4, 5, 5],
  ]);
});

it('toRgba repeats grey and keeps RGB', () => {
  expect([...toRgba({ data: Uint8Array.of(5, 9), width: 2, height: 1, channels: 1 })]).toEqual([
    5, 5, 5, 255, 9, 9, 9, 255,
  ]);
  expect([...toRgba({ data: Uint8Array.of(5, 9, 2), width: 1, height: 1, channels: 3 })]).toEqual([5, 9, 2, 255]);
});

describe('checkClips', () => {
  it.each<[ClipsShape, number, string]>([
    [[1, 1, 2, 2, 2], 8, 'clips: expected 1 channel (grey) or 3 (RGB), got 2'],
    [[2, 1, 2, 2, 3], 23, 'clips: 23 pixels; clips of [2, 1, 2, 2, 3] have 24'],
  ])('refuses the shape %j with %d bytes', (shape, length, message) => {
    expect(() => checkClips({ pixels: new Uint8Array(length), shape })).toThrow(message);
  });
});
