import * as tf from '@tensorflow/tfjs-core';
import { describe, expect, it } from 'vitest';
import {
  type Clips,
  type ClipsShape,
  clipBytes,
  inBatches,
  joinClips,
  normalizePixels,
  sliceClips,
  toClips,
} from './clips.ts';
import { uploadClips } from './upload-clips.ts';

const bytes = Uint8Array.from({ length: 256 }, (_, value) => value);

describe('toClips', () => {
  it('rounds [-1, 1] to bytes and clamps what lies outside', () => {
    const values = Float32Array.of(-1, -0.999, -0.99, 0, 0.6, 1, 1.5, -7, Number.POSITIVE_INFINITY);
    // -0.999 -> 0.1275, -0.99 -> 1.275, 0 -> 127.5, which rounds up, 0.6 -> 204
    expect([...toClips(values, [1, 1, 1, 9, 1]).pixels]).toEqual([0, 0, 1, 128, 204, 255, 255, 0, 255]);
  });

  it('undoes normalizePixels for every byte', () => {
    const values = normalizePixels(bytes);
    expect([values[0], values[51], values[255]]).toEqual([-1, Math.fround(-0.6), 1]);
    expect(toClips(values, [1, 1, 16, 16, 1]).pixels).toEqual(bytes);
  });

  it('names the first NaN', () => {
    const values = Float32Array.of(0, 0, Number.NaN, 0);
    expect(() => toClips(values, [1, 1, 2, 2, 1])).toThrow('toClips: value 2 of 4 is NaN');
  });
});

it('uploadClips gives what normalizePixels does, in the shape', () => {
  const clips = uploadClips({ pixels: bytes, shape: [2, 1, 8, 8, 2] });
  expect(clips.shape).toEqual([2, 1, 8, 8, 2]);
  expect(clips.dataSync()).toEqual(normalizePixels(bytes));
  clips.dispose();
  expect(tf.memory().numTensors).toBe(0);
});

describe('clipBytes', () => {
  it.each<[ClipsShape, number, string]>([
    [[0, 1, 2, 2, 1], 0, 'clips are [0, 1, 2, 2, 1]; expected [N, F, H, W, C], all of at least 1'],
    [[1, 1, 2, 1.5, 1], 3, 'clips are [1, 1, 2, 1.5, 1]'],
    [[2, 1, 2, 2, 3], 23, '23 pixels; clips of [2, 1, 2, 2, 3] have 24'],
  ])('refuses the shape %j with %d bytes', (shape, length, message) => {
    expect(() => clipBytes('test', { pixels: new Uint8Array(length), shape })).toThrow(`test: ${message}`);
    expect(() => toClips(new Float32Array(length), shape)).toThrow(message);
  });

  it('counts labels and captions', () => {
    const clips: Clips = { pixels: bytes, shape: [2, 1, 8, 8, 2] };
    expect(clipBytes('test', { ...clips, labels: new Int32Array(2) })).toBe(128);
    expect(() => clipBytes('test', { ...clips, labels: new Int32Array(3) })).toThrow('test: 3 labels for 2 clips');
    expect(() => clipBytes('test', { ...clips, captions: ['one'] })).toThrow('test: 1 captions for 2 clips');
  });
});

describe('slices and batches', () => {
  const clips: Clips = {
    pixels: bytes.slice(0, 5 * 6),
    shape: [5, 1, 2, 3, 1],
    labels: Int32Array.of(3, 1, 4, 1, 5),
    captions: ['a', 'b', 'c', 'd', 'e'],
  };

  it('take labels and captions with them, and end with the clips', () => {
    const slice = sliceClips(clips, 3, 9);
    expect(slice).toEqual({
      pixels: bytes.slice(18, 30),
      shape: [2, 1, 2, 3, 1],
      labels: Int32Array.of(1, 5),
      captions: ['d', 'e'],
    });
    expect(slice.pixels.buffer).toBe(clips.pixels.buffer);
  });

  it.each([1, 2, 5, 7])('joined again are the clips, in batches of %d', (size) => {
    const batches = [...inBatches(clips, size)];
    expect(batches.map(({ shape }) => shape[0]).reduce((a, b) => a + b)).toBe(5);
    expect(joinClips(batches)).toEqual(clips);
  });

  it('lose labels that not all have, and refuse two sizes', () => {
    const { labels, captions, ...bare } = clips;
    expect(Object.keys(joinClips([clips, bare]))).toEqual(['pixels', 'shape']);
    const other = { pixels: new Uint8Array(6), shape: [1, 1, 3, 2, 1] } as const;
    expect(() => joinClips([clips, other])).toThrow('joinClips: clips of [1, 3, 2, 1] after [1, 2, 3, 1]');
    expect(() => joinClips([])).toThrow('joinClips: no clips');
  });
});
