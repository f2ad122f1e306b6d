import type { ClipsShape } from '@eflow/tensor/clips';
import { describe, expect, it } from 'vitest';
import { addCaptions, breakLines } from './captions.ts';
import { BORDER_GREY, CAPTION_HEIGHT, drawFrames, drawStrip, type Image } from './grid.ts';

const clipsOf = (...shape: [number, number, number, number, 1 | 3]) => ({
  pixels: new Uint8Array(shape.reduce((product, size) => product * size)).fill(7),
  shape: shape as ClipsShape,
});

/** The pixels of a rectangle, one channel of them. */
const cut = ({ data, width, channels }: Image, left: number, top: number, w: number, h: number) =>
  Array.from({ length: w * h }, (_, i) => data[((top + Math.floor(i / w)) * width + left + (i % w)) * channels]!);
const isWritten = (pixels: number[]) => pixels.some((value) => value > 200);
const isEmpty = (pixels: number[]) => pixels.every((value) => value === BORDER_GREY);

describe('addCaptions', () => {
  it.each([1, 3] as const)(
    'writes below each clip of a grid, in every frame, and leaves the clips as they are (%i channels)',
    async (channels) => {
      const clips = clipsOf(3, 2, 10, 60, channels);
      const options = { columns: 2, captions: ['a red 3', '', 'another'] };
      const frames = drawFrames(clips, options);
      await addCaptions(frames, clips.shape, options);
      for (const frame of frames) {
        expect([frame.width, frame.height]).toEqual([121, 2 * (10 + CAPTION_HEIGHT) + 1]);
        expect(isWritten(cut(frame, 0, 10, 60, CAPTION_HEIGHT))).toBe(true);
        expect(isEmpty(cut(frame, 61, 10, 60, CAPTION_HEIGHT))).toBe(true);
        expect(isWritten(cut(frame, 0, 10 + CAPTION_HEIGHT + 1 + 10, 60, CAPTION_HEIGHT))).toBe(true);
        expect(new Set(cut(frame, 61, 0, 60, 10))).toEqual(new Set([7]));
      }
    },
  );

  it('writes below each row of a strip', async () => {
    const clips = clipsOf(2, 4, 10, 30, 3);
    const options = { captions: ['', 'a sentence that needs the width of four frames'] };
    const strip = drawStrip(clips, options);
    await addCaptions([strip], clips.shape, options, true);
    expect(isEmpty(cut(strip, 0, 10, 123, CAPTION_HEIGHT))).toBe(true);
    const second = 10 + CAPTION_HEIGHT + 1 + 10;
    expect(isWritten(cut(strip, 62, second, 61, CAPTION_HEIGHT))).toBe(true);
  });

  it('refuses captions for some of the clips', async () => {
    const clips = clipsOf(2, 1, 4, 4, 1);
    const options = { captions: ['one'] };
    await expect(addCaptions(drawFrames(clips, options), clips.shape, options)).rejects.toThrow(
      'captions: expected one for each of 2 clips, got 1',
    );
  });
});

describe('breakLines', () => {
  const fits = (line: string) => line.length <= 8;

  it('keeps words together, and in their order', () => {
    expect(breakLines(' a red  3 moves left ', fits)).toEqual(['a red 3', 'moves', 'left']);
    expect(breakLines('', fits)).toEqual(['']);
  });

  it('gives a word that is too long a line of its own', () => {
    expect(breakLines('an extraordinary 3', fits)).toEqual(['an', 'extraordinary', '3']);
  });

  it('says where more would follow', () => {
    expect(breakLines('one two three four five six', fits)).toEqual(['one two', 'three', 'four ...']);
  });
});
