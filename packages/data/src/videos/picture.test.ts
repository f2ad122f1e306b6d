import { describe, expect, it } from 'vitest';
import { pictureFilters } from './picture.ts';

const coded = { height: 480, width: 720 };
const square = { coded, pixelAspect: 1, displayMatrix: null, cropping: null };
const RGB = ['format', 'pix_fmts=rgb24'];
const scale = (size: string) => ['scale', `${size}:flags=bilinear+accurate_rnd+full_chroma_int`];

/** Four uint32: top, bottom, left, right. */
function cropping(...edges: [number, number, number, number]): Buffer {
  const bytes = Buffer.alloc(16);
  for (const [i, pixels] of edges.entries()) bytes.writeUInt32LE(pixels, 4 * i);
  return bytes;
}

describe('pictureFilters', () => {
  it('leaves frames with square pixels as they are', () => {
    expect(pictureFilters(square, undefined, 1e6)).toEqual([RGB]);
  });

  it('widens or narrows pixels that are not square: 720 of 8:9 are 640', () => {
    expect(pictureFilters({ ...square, pixelAspect: 8 / 9 }, undefined, 1e6)).toEqual([scale('640:480'), RGB]);
  });

  it('covers a size by the shape that is shown, and cuts the middle out', () => {
    const size = { height: 48, width: 48 };
    expect(pictureFilters({ ...square, pixelAspect: 8 / 9 }, size, 1e6)).toEqual([
      scale('64:48'),
      ['crop', '48:48'],
      RGB,
    ]);
  });

  it('does not scale what has the size already', () => {
    expect(pictureFilters(square, { height: 480, width: 640 }, 1e6)).toEqual([['crop', '640:480'], RGB]);
  });

  it('cuts off first what the container crops', () => {
    const facts = { ...square, cropping: cropping(10, 20, 30, 40) };
    expect(pictureFilters(facts, undefined, 1e6)).toEqual([['crop', '650:450:30:10'], RGB]);
    const all = { ...square, cropping: cropping(240, 240, 0, 0) };
    expect(pictureFilters(all, undefined, 1e6)).toEqual([RGB]);
  });

  it('refuses a shape that no screen has', () => {
    const shape = () => pictureFilters({ ...square, pixelAspect: 1000 }, { height: 48, width: 48 }, 1e6);
    expect(shape).toThrow('its frames are 720000x480; at most 8192 to a side');
    const line = () => pictureFilters({ ...square, pixelAspect: 1e-6 }, { height: 480, width: 480 }, 1e6);
    expect(line).toThrow('its frames are 1x480: to cover 480x480 they would have 480x230400 pixels');
  });
});
