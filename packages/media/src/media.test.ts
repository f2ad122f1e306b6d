import { execFile } from 'node:child_process';
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
} from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import type { Clips } from '@eflow/tensor/clips';
import { ALL_FORMATS, BufferSource, Input, VideoSampleSink } from 'mediabunny';
import sharp from 'sharp';
import { afterAll, describe, expect, it } from 'vitest';
import { writeGridGif } from './gif.ts';
import { drawFrames, drawStrip, type Image, toRgba } from './grid.ts';
import { checkPicture } from './limits.ts';
import { canWriteMp4, writeGridMp4 } from './mp4.ts';
import { writeGridPng } from './png.ts';
import { gridWebp, writeGridWebp } from './webp.ts';

const folder = mkdtempSync(join(tmpdir(), 'eflow-media-'));
afterAll(() => rmSync(folder, { recursive: true }));
const inFolder = (name: string) => join(folder, name);

/** Clips of scattered bytes, [5, 4, 7, 9, channels]. */
const scatter = (channels: 1 | 3): Clips => ({
  pixels: Uint8Array.from({ length: 5 * 4 * 7 * 9 * channels }, (_, i) => Math.imul(i + 1, 0x9e3779b1) >>> 24),
  shape: [5, 4, 7, 9, channels],
});
/** The option `format`, which mediabunny takes and its types lack where there is no DOM. */
const AS_RGBA: VideoFrameCopyToOptions & { format: string } = { format: 'RGBA' };
const grid = { columns: 3, scale: 2 };
const toRgb = (image: Image) => Buffer.from(toRgba(image).filter((_, i) => i % 4 !== 3));

/** The pages of an image file as RGB bytes, with what it says of itself. */
async function readBack(name: string) {
  const file = readFileSync(inFolder(name)); // by bytes: sharp remembers what it read from a path
  const { pages = 1, delay, loop, width } = await sharp(file, { pages: -1 }).metadata();
  const frames = await Promise.all(
    Array.from({ length: pages }, (_, page) =>
      sharp(file, { page }).toColourspace('srgb').removeAlpha().raw().toBuffer({ resolveWithObject: true }),
    ),
  );
  return { frames: frames.map((frame) => frame.data), width, height: frames[0]!.info.height, delay, loop };
}

describe.each([1, 3] as const)('clips of %d channels', (channels) => {
  const clips = scatter(channels);
  const frames = drawFrames(clips, grid);
  const { width, height } = frames[0]!;

  it('come back from a PNG exactly, as a grid and as a strip', async () => {
    await writeGridPng(inFolder('grid.png'), clips, grid);
    const still = await readBack('grid.png');
    expect([still.width, still.height, still.frames]).toEqual([width, height, [toRgb(frames[0]!)]]);
    await writeGridPng(inFolder('strip.png'), clips, { frames: 'strip', scale: 2 });
    const strip = await readBack('strip.png');
    expect(strip.frames).toEqual([toRgb(drawStrip(clips, { scale: 2 }))]);
  });

  it('come back from a WebP exactly, frame by frame, looping, at the speed asked for', async () => {
    await writeGridWebp(inFolder('grid.webp'), clips, { ...grid, fps: 12 });
    const movie = await readBack('grid.webp');
    expect(movie).toEqual({ frames: frames.map(toRgb), width, height, delay: [83, 83, 83, 83], loop: 0 });
    expect(readFileSync(inFolder('grid.webp')).equals(await gridWebp(clips, { ...grid, fps: 12 }))).toBe(true);
  });

  it('come back from an mp4, frame by frame, near to what they were', async () => {
    const smooth: Clips = {
      ...clips,
      pixels: clips.pixels.map((_, i) => (Math.floor(i / (63 * channels)) * 41) % 256),
    };
    await writeGridMp4(inFolder('grid.mp4'), smooth, { ...grid, fps: 5, border: 0, scale: 8 });
    const input = new Input({ source: new BufferSource(readFileSync(inFolder('grid.mp4'))), formats: ALL_FORMATS });
    const track = (await input.getPrimaryVideoTrack())!;
    const expected = drawFrames(smooth, { ...grid, border: 0, scale: 8 });
    const times: number[] = [];
    for await (const sample of new VideoSampleSink(track, { hardwareAcceleration: 'prefer-software' }).samples()) {
      expect([sample.codedWidth, sample.codedHeight]).toEqual([216, 112]);
      const rgba = new Uint8Array(sample.allocationSize(AS_RGBA));
      await sample.copyTo(rgba, AS_RGBA);
      const original = toRgba(expected[times.length]!);
      const error = rgba.reduce((sum, value, i) => sum + Math.abs(value - original[i]!), 0) / rgba.length;
      expect(error).toBeLessThan(6);
      times.push(sample.timestamp);
      sample.close();
    }
    expect(times.map((time) => Math.round(time * 100))).toEqual([0, 20, 40, 60]);
  });
});

describe('writeGridGif', () => {
  it('keeps greys exactly and rounds a frame to hundredths of a second', async () => {
    await writeGridGif(inFolder('grey.gif'), scatter(1), { ...grid, fps: 12 });
    const frames = drawFrames(scatter(1), grid);
    const { width, height } = frames[0]!;
    const movie = await readBack('grey.gif');
    expect(movie).toEqual({ frames: frames.map(toRgb), width, height, delay: [80, 80, 80, 80], loop: 0 });
  });

  it('keeps colours near to what they were', async () => {
    const smooth: Clips = {
      ...scatter(3),
      pixels: scatter(3).pixels.map((_, i) => (i % 3) * 60 + Math.floor(i / 600) * 20),
    };
    await writeGridGif(inFolder('colour.gif'), smooth, grid);
    const { frames } = await readBack('colour.gif');
    expect(frames.length).toBe(4);
    drawFrames(smooth, grid).forEach((frame, i) => {
      const worst = toRgb(frame).reduce((most, value, j) => Math.max(most, Math.abs(value - frames[i]![j]!)), 0);
      expect(worst).toBeLessThan(16);
    });
  });
});

describe('writeGridMp4', () => {
  it('adds a line of border to odd sides', async () => {
    const clip: Clips = { pixels: new Uint8Array(3 * 17 * 15), shape: [1, 3, 17, 15, 1] };
    await writeGridMp4(inFolder('odd.mp4'), clip);
    const input = new Input({ source: new BufferSource(readFileSync(inFolder('odd.mp4'))), formats: ALL_FORMATS });
    const track = (await input.getPrimaryVideoTrack())!;
    expect([await track.getCodedWidth(), await track.getCodedHeight()]).toEqual([16, 18]);
    expect((await track.computePacketStats()).packetCount).toBe(3);
  });

  it('can be asked for beforehand', async () => {
    expect(await canWriteMp4()).toBe(true);
  });

  // The package's sources with its two required dependencies alone, in a folder of their own.
  it('says how to install what it needs where that is missing', async () => {
    const { resolve } = createRequire(import.meta.url);
    const alone = inFolder('alone');
    mkdirSync(join(alone, 'node_modules', '@eflow'), { recursive: true });
    const modules = fileURLToPath(new URL('../node_modules', import.meta.url));
    for (const name of ['@eflow/tensor', 'sharp', 'gifenc', 'write-file-atomic'])
      symlinkSync(join(modules, name), join(alone, 'node_modules', name));
    const sources = dirname(fileURLToPath(import.meta.url));
    for (const file of readdirSync(sources).filter((name) => !name.includes('.test.'))) {
      copyFileSync(join(sources, file), join(alone, file));
    }
    const code = `require(${JSON.stringify(resolve('tsx/cjs/api'))}).register();
      const { canWriteMp4, writeGridMp4 } = require(${JSON.stringify(join(alone, 'index.ts'))});
      const clips = { pixels: new Uint8Array(4), shape: [1, 1, 2, 2, 1] };
      canWriteMp4().then((can) => process.stdout.write(can + ' '));
      writeGridMp4('never.mp4', clips).catch((error) => process.stdout.write(error.message));`;
    const { stdout } = await promisify(execFile)(process.execPath, ['--conditions=@eflow/source', '-e', code], {
      cwd: alone,
    });
    expect(stdout).toContain('false');
    expect(stdout).toContain('npm install mediabunny@1.61.0 @mediabunny/server@1.59.0');
  });
});

describe('every writer', () => {
  const writers = { writeGridPng, writeGridWebp, writeGridGif, writeGridMp4 };
  it.each(Object.entries(writers))(
    '%s names a place that cannot be written and leaves nothing behind',
    async (_, write) => {
      const file = inFolder(join('no', 'such', 'folder', 'grid.file'));
      await expect(write(file, scatter(1))).rejects.toThrow(`${file}: cannot be written; its folder must exist`);
      mkdirSync(inFolder('occupied'), { recursive: true });
      await expect(write(inFolder('occupied'), scatter(1))).rejects.toThrow('cannot be written');
      expect(readdirSync(folder).filter((name) => name.endsWith('.tmp'))).toEqual([]);
      expect(existsSync(inFolder('no'))).toBe(false);
    },
  );

  it.each(Object.entries(writers))('%s refuses bytes that do not fill the shape', async (_, write) => {
    const clips: Clips = { pixels: new Uint8Array(7), shape: [1, 1, 2, 2, 1] };
    await expect(write(inFolder('bad'), clips)).rejects.toThrow('clips: 7 pixels; clips of [1, 1, 2, 2, 1] have 4');
    expect(existsSync(inFolder('bad'))).toBe(false);
  });

  it.each([
    [writeGridWebp, { fps: 0 }, 'fps: expected more than 0 and at most 1000'],
    [writeGridMp4, { fps: Number.NaN }, 'frames per second, got NaN'],
    [writeGridGif, { fps: 60 }, 'at most 50 frames per second, got 60'],
    [
      writeGridWebp,
      { border: 9000, columns: 5 },
      'more than 16383 on a side, which is the most that a WebP holds; lower scale',
    ],
  ])('%o refuses %j', async (write, options, message) => {
    await expect(write(inFolder('bad'), scatter(1), options)).rejects.toThrow(message);
  });

  it.each([
    ['png', [20, 16, 64, 64, 3], { frames: 'strip', scale: 15 }, 'png: a strip of 15375x19219 pixels is more than the'],
    ['webp', [4, 2, 8, 8192, 1], {}, 'webp: a grid of 16385x17 pixels is more than 16383 on a side'],
    ['webp', [1, 300, 1000, 1000, 1], {}, 'a grid of 1000x1000 pixels, 300 frames of it, is more than the 268402689'],
    ['gif', [1, 1, 1, 65_536, 1], {}, 'more than 65535 on a side'],
    ['gif', [1, 1, 2, 2, 1], { fps: 51 }, 'at most 50 frames per second'],
    ['mp4', [1, 1, 16_385, 2, 1], {}, 'more than 16384 on a side'],
    ['mp4', [1, 1, 16_383, 16_383, 1], {}, 'pixels that can be written'],
  ] as const)('has limits that can be known beforehand: %s, %j, %j', (format, shape, options, message) => {
    expect(() => checkPicture(format, shape, options)).toThrow(message);
  });

  it.each([
    ['webp', 16_383, writeGridWebp],
    ['gif', 65_535, writeGridGif],
    ['mp4', 16_384, writeGridMp4],
  ] as const)('writes what is just within: %s, %d pixels wide', async (format, width, write) => {
    const clips: Clips = { pixels: new Uint8Array(4 * width).fill(200), shape: [1, 2, 2, width, 1] };
    checkPicture(format, clips.shape);
    await write(inFolder(`within.${format}`), clips);
    expect(readFileSync(inFolder(`within.${format}`)).length).toBeGreaterThan(0);
  });

  it('refuses columns for a strip', async () => {
    const options = { frames: 'strip', columns: 3 } as const;
    await expect(writeGridPng(inFolder('bad'), scatter(1), options)).rejects.toThrow(
      'a strip has one column per frame, got 3',
    );
  });
});
