import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { decodeWhole, type FilmSpec, numbersOf, writeFilm } from '../../fixtures/films.ts';
import type { DecodeOptions } from './decode-options.ts';

const root = mkdtempSync(join(tmpdir(), 'decode-'));
afterAll(() => rmSync(root, { recursive: true }));

const range = (first: number, end: number, step = 1) =>
  Array.from({ length: Math.ceil((end - first) / step) }, (_, i) => first + i * step);
let films = 0;
async function film(ending: string, spec: FilmSpec): Promise<string> {
  const file = join(root, `${films++}.${ending}`);
  await writeFilm(file, spec);
  return file;
}

/** Ten frames a second for three seconds, in every way that containers tell the time; all of these tell it alike. */
const CLOCKS: [name: string, ending: string, spec: FilmSpec][] = [
  ['MP4 with B-frames', 'mp4', { codec: 'libx264', bFrames: 2 }],
  ['MP4 whose time begins at 3 s', 'mp4', { codec: 'libx264', bFrames: 2, offset: 300 }],
  ['Matroska with B-frames', 'mkv', { codec: 'libx264', bFrames: 2 }],
  ['Matroska whose time begins at 1.6 s, as from a recording', 'mkv', { codec: 'libx264', bFrames: 2, offset: 160 }],
  ['Matroska whose time begins at 10 s', 'mkv', { codec: 'ffv1', offset: 1000 }],
  ['WebM', 'webm', { codec: 'libvpx' }],
  ['AVI without B-frames', 'avi', { codec: 'mpeg4' }],
];
const PARTS: [options: Partial<DecodeOptions>, numbers: number[]][] = [
  [{}, range(0, 30)],
  [{ start: 1, end: 2 }, range(10, 20)],
  [{ start: 2 }, range(20, 30)],
  [{ start: 0, end: 1 }, range(0, 10)],
  [{ start: 1.04, end: 1.55 }, range(11, 17)],
  [{ fps: 5 }, range(0, 30, 2)],
  [{ fps: 5, start: 1, end: 2 }, range(10, 20, 2)],
  [{ fps: 20, start: 1, end: 1.3 }, [10, 10, 11, 11, 12, 12]],
  [{ firstFrames: 4, start: 2 }, range(20, 24)],
  [{ firstFrames: 7 }, range(0, 7)],
];

describe.each(CLOCKS)('%s', (_, ending, spec) => {
  it.each(PARTS)('gives of %j the frames that are shown then', async (options, numbers) => {
    const video = await decodeWhole(await film(ending, spec), options);
    // A tick of AVI is a frame, to which start and length are rounded, as by FFmpeg.
    const expected = ending === 'avi' && options.start === 1.04 ? range(10, 15) : numbers;
    expect(numbersOf(video)).toEqual(expected);
    expect(video.expectedFrames).toBe(expected.length);
    expect(video.fps).toBeCloseTo(options.fps ?? 10, 6);
  });
});

/**
 * Packets of AVI have no time of showing, and those of B-frames come early, so that FFmpeg takes the time at which a frame leaves the
 * decoder: with two B-frames two frames after the first one's. What it gives by `-ss`, `-to` and `-vf fps` was read off its command, 5.1.
 */
describe.each(['libx264', 'mpeg4'] as const)('AVI with B-frames, by %s', (codec) => {
  const DELAY = { libx264: 2, mpeg4: 1 }[codec];
  it('loses and repeats no frame', async () => {
    const file = await film('avi', { codec, bFrames: 2 });
    for (const options of [{}, { fps: 10 }]) {
      const video = await decodeWhole(file, options);
      expect(numbersOf(video)).toEqual(range(0, 30));
      expect(video.expectedFrames).toBe(30);
    }
    expect(numbersOf(await decodeWhole(file, { start: 1, end: 2 }))).toEqual(range(10 - DELAY, 20 - DELAY));
    expect(numbersOf(await decodeWhole(file, { end: 1 }))).toEqual(range(0, 10));
    expect(numbersOf(await decodeWhole(file, { firstFrames: 29 }))).toEqual(range(0, 29));
  });
});

describe('a variable rate', () => {
  it('is neither long nor short', async () => {
    const times = [0, 10, 20, 500, 510, 900, 5000, 5010];
    for (const [ending, codec] of [
      ['mkv', 'ffv1'],
      ['webm', 'libvpx'],
      ['mp4', 'libx264'],
    ] as const) {
      const file = await film(ending, { codec, times, numFrames: times.length });
      const video = await decodeWhole(file, { maxFrames: 10 });
      expect([numbersOf(video), video.expectedFrames]).toEqual([range(0, 8), 8]);
      expect(video.fps).toBeLessThan(0.2);
    }
  });

  it('becomes a steady one by repeating and leaving out', async () => {
    const file = await film('mkv', { codec: 'ffv1', times: [0, 50, 60, 70, 120], numFrames: 5 });
    expect(numbersOf(await decodeWhole(file, { fps: 2 }))).toEqual([0, 3, 4]);
  });
});

describe('a frame as it is shown', () => {
  /** Four quarters of other greys: top left, top right, bottom left, bottom right. */
  const GREYS = [40, 90, 140, 190];
  const draw = (_: number, y: number, x: number) => GREYS[2 * Number(y >= 24) + Number(x >= 32)]!;
  const spec: FilmSpec = { codec: 'libx264', numFrames: 3, draw };

  function corners({ pixels, height, width }: Awaited<ReturnType<typeof decodeWhole>>): number[] {
    const at = (y: number, x: number) => pixels[3 * (Math.floor(y * height) * width + Math.floor(x * width))]!;
    const places: [number, number][] = [
      [0.15, 0.15],
      [0.15, 0.85],
      [0.85, 0.15],
      [0.85, 0.85],
    ];
    return places.map(([y, x]) => {
      const luma = (at(y, x) * 219) / 255 + 16;
      return GREYS.findIndex((grey) => Math.abs(grey - luma) < 10);
    });
  }

  /** Corners after (x, y) -> (a x + c y, b x + d y), worked out by hand. */
  it.each<[matrix: [a: number, b: number, c: number, d: number], expected: number[]]>([
    [
      [1, 0, 0, 1],
      [0, 1, 2, 3],
    ],
    [
      [-1, 0, 0, 1],
      [1, 0, 3, 2],
    ],
    [
      [1, 0, 0, -1],
      [2, 3, 0, 1],
    ],
    [
      [-1, 0, 0, -1],
      [3, 2, 1, 0],
    ],
    [
      [0, 1, -1, 0],
      [2, 0, 3, 1],
    ],
    [
      [0, -1, 1, 0],
      [1, 3, 0, 2],
    ],
    [
      [0, 1, 1, 0],
      [0, 2, 1, 3],
    ],
    [
      [0, -1, -1, 0],
      [3, 1, 2, 0],
    ],
  ])('is turned and mirrored by the display matrix %j', async ([a, b, c, d], expected) => {
    const file = await film('mp4', spec);
    const bytes = readFileSync(file);
    const matrix = bytes.indexOf('tkhd') + 44;
    expect(bytes.readInt32BE(matrix)).toBe(1 << 16);
    for (const [place, value] of [a, b, 0, c, d].entries()) bytes.writeInt32BE(value * 65_536, matrix + 4 * place);
    writeFileSync(file, bytes);
    const own = await decodeWhole(file);
    expect([own.height, own.width]).toEqual(a === 0 ? [64, 48] : [48, 64]);
    expect(corners(own)).toEqual(expected);
    const small = await decodeWhole(file, { size: { height: 32, width: 32 } });
    expect([small.height, small.width]).toEqual([32, 32]);
    expect(corners(small)).toEqual(expected);
  });

  /** The film, with a clean aperture in its sample entry: a part of `width` x `height` whose middle is off the frame's. */
  function withAperture(film: Buffer, [width, height, right, down]: [number, number, number, number]): Buffer {
    const clap = Buffer.alloc(40);
    clap.writeUInt32BE(40);
    clap.write('clap', 4);
    for (const [i, value] of [width, 1, height, 1, right, 1, down, 1].entries()) clap.writeInt32BE(value, 8 + 4 * i);
    const path = ['moov', 'trak', 'mdia', 'minf', 'stbl', 'stsd', 'avc1'];
    let at = 0;
    const sizes = path.map((box) => {
      at = film.indexOf(box, at);
      return at - 4;
    });
    for (const size of sizes) film.writeUInt32BE(film.readUInt32BE(size) + 40, size);
    const end = sizes.at(-1)! + film.readUInt32BE(sizes.at(-1)!) - 40;
    return Buffer.concat([film.subarray(0, end), clap, film.subarray(end)]);
  }

  it('is cut to the clean aperture of its container', async () => {
    const file = await film('mp4', spec);
    // Columns 32 to 63 of rows 0 to 23: the middle of the part is 16 to the right and 12 up.
    writeFileSync(file, withAperture(readFileSync(file), [32, 24, 16, -12]));
    const video = await decodeWhole(file);
    expect([video.height, video.width]).toEqual([24, 32]);
    expect(corners(video)).toEqual([1, 1, 1, 1]);
  });

  /** A disc as it is shown, squeezed or stretched as pixels of that shape ask for. */
  it.each([
    { num: 2, den: 1 },
    { num: 8, den: 9 },
    { num: 1, den: 2 },
  ])('has square pixels where the container has %j', async (pixelAspect) => {
    const aspect = pixelAspect.num / pixelAspect.den;
    const disc = (_: number, y: number, x: number) => (Math.hypot(y - 24, (x - 32) * aspect) < 14 ? 200 : 30);
    for (const [ending, codec] of [
      ['mp4', 'libx264'],
      ['mkv', 'libx264'],
      ['avi', 'mpeg4'],
    ] as const) {
      const file = await film(ending, { codec, numFrames: 3, pixelAspect, draw: disc });
      for (const size of [undefined, { height: 40, width: 40 }]) {
        const { pixels, height, width } = await decodeWhole(file, size && { size });
        expect([height, width]).toEqual(size ? [40, 40] : [48, Math.round(64 * aspect)]);
        const bright = (y: number, x: number) => Number(pixels[3 * (y * width + x)]! > 120);
        const across = range(0, width).reduce((sum, x) => sum + bright(height >> 1, x), 0);
        const down = range(0, height).reduce((sum, y) => sum + bright(y, width >> 1), 0);
        expect(Math.abs(across - down), `${ending}: ${across} across, ${down} down`).toBeLessThanOrEqual(3);
      }
    }
  });
});

describe('what cannot be used', () => {
  it('is a part that begins after the end', async () => {
    for (const ending of ['mp4', 'mkv']) {
      const file = await film(ending, { codec: 'libx264', bFrames: 2, offset: 500 });
      const part = () => decodeWhole(file, { start: 5, end: 6 });
      await expect(part()).rejects.toThrow('its part begins at 5 s, and it ends at 3.00 s');
      await expect(part()).rejects.toMatchObject({ code: 'listing' });
    }
  });

  it('is more than the cap, told beforehand where the container counts its frames', async () => {
    const message = /it has 30 frames, over the cap of 20: list parts of it with start and end/;
    const mp4 = await film('mp4', { codec: 'libx264' });
    await expect(decodeWhole(mp4, { maxFrames: 20 })).rejects.toMatchObject({ code: 'too-long' });
    await expect(decodeWhole(mp4, { maxFrames: 20 })).rejects.toThrow(message);
    await expect(decodeWhole(mp4, { maxFrames: 20, fps: 30 })).rejects.toThrow('it has 90 frames');
    expect((await decodeWhole(mp4, { maxFrames: 20, end: 2 })).numFrames).toBe(20);
    expect((await decodeWhole(mp4, { maxFrames: 20, fps: 5 })).numFrames).toBe(15);
    const mkv = await film('mkv', { codec: 'libx264' });
    await expect(decodeWhole(mkv, { maxFrames: 20 })).rejects.toThrow('it has more than the cap of 20 frames');
  });

  it('is short where a file is cut off, and its frames are used', async () => {
    const draw = (n: number, y: number, x: number) => (n * 37 + y * 11 + x * 29 + ((y * x) % 97)) % 220;
    for (const [ending, codec] of [
      ['mkv', 'ffv1'],
      ['webm', 'libvpx'],
      ['avi', 'mpeg4'],
    ] as const) {
      const file = await film(ending, { codec, draw });
      expect((await decodeWhole(file)).expectedFrames).toBe(30);
      const bytes = readFileSync(file);
      writeFileSync(file, bytes.subarray(0, bytes.length / 2));
      const { numFrames, expectedFrames } = await decodeWhole(file);
      expect(numFrames, ending).toBeLessThan(20);
      expect(Math.abs(expectedFrames - 30), ending).toBeLessThanOrEqual(1);
    }
  });
});
