import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { readIndex } from './shards.ts';
import { openVideos } from './video-clips.ts';
import { createClipWriter, writeClips } from './write-clips.ts';

const root = mkdtempSync(join(tmpdir(), 'clips-'));
afterAll(() => rmSync(root, { recursive: true }));

it.each([1, 3])('writes clips of %d channels that are read again to the byte', (channels) => {
  const folder = join(root, String(channels));
  const shape = [5, 4, 3, 2, channels] as const;
  const pixels = Uint8Array.from({ length: 5 * 4 * 3 * 2 * channels }, (_, i) => (i * 31) % 256);
  writeClips(folder, { pixels, shape }, { labels: ['b', 'a', 'b', 'c', 'a'] });
  const videos = openVideos({ folder, numFrames: 4, frameStride: 1, start: 'first', flip: false, seed: 1 });
  expect([videos.length, videos.classes, videos.shape]).toEqual([5, ['a', 'b', 'c'], [4, 3, 2, 3]]);
  const bytes = pixels.length / 5;
  const written = Array.from({ length: 5 }, (_, i) => pixels.subarray(i * bytes, (i + 1) * bytes));
  const grey = (pixels: Uint8Array) => (channels === 3 ? pixels : pixels.filter((_, i) => i % 3 === 0));
  const read = Array.from({ length: 5 }, (_, i) => videos.clip(i));
  const matches = read.map(({ pixels }) => written.findIndex((one) => Buffer.compare(one, grey(pixels)) === 0));
  expect([...matches].sort()).toEqual([0, 1, 2, 3, 4]);
  expect(read.map(({ label }) => videos.classes[label])).toEqual(matches.map((i) => ['b', 'a', 'b', 'c', 'a'][i]));
  if (channels === 1) expect(read[0]!.pixels.every((x, i, all) => x === all[i - (i % 3)])).toBe(true);
  videos.close();
});

it('numbers classes by value where all labels are integers', () => {
  const clips = { pixels: new Uint8Array(12), shape: [12, 1, 1, 1, 1] as const };
  const numbers = Array.from({ length: 12 }, (_, i) => String(11 - i));
  writeClips(join(root, 'numbers'), clips, { labels: numbers });
  expect(readIndex(join(root, 'numbers')).classes).toEqual(numbers.toReversed());
  writeClips(join(root, 'names'), clips, { labels: [...numbers.slice(1), 'b'] });
  expect(readIndex(join(root, 'names')).classes.slice(0, 4)).toEqual(['0', '1', '10', '2']);
});

it('takes clips batch by batch, into several files, and gives the folder its name at the end', () => {
  const folder = join(root, 'batches');
  const pixels = Uint8Array.from({ length: 7 * 2 * 3 * 2 }, (_, i) => (i * 37) % 256);
  const batch = (first: number, end: number) => ({
    pixels: pixels.subarray(first * 12, end * 12),
    shape: [end - first, 2, 3, 2, 1] as const,
  });
  const writer = createClipWriter(folder, { fps: 5, shardBytes: 100 }); // a clip takes 36, as RGB
  writer.add(batch(0, 4), ['a', 'b', 'a', 'b']);
  expect(existsSync(folder)).toBe(false);
  writer.add(batch(4, 7), ['c', 'c', 'c']);
  writer.finish();
  const { shards, classes, counts } = readIndex(folder);
  expect(shards.map(({ videos }) => videos.length)).toEqual([3, 3, 1]);
  expect(shards.flatMap(({ videos }) => videos.map(({ path }) => path))).toEqual(
    Array.from({ length: 7 }, (_, i) => `clip-00000${i}`),
  );
  expect(shards[0]!.videos[1]).toMatchObject({ label: 'b', numFrames: 2, fps: 5, offset: 36 });
  expect([classes, counts.seen]).toEqual([['a', 'b', 'c'], 7]);
  const written = Buffer.concat(shards.map(({ file }) => readFileSync(join(folder, file))));
  expect(written).toEqual(Buffer.from([...pixels].flatMap((value) => [value, value, value])));
  for (const { file, bytes } of shards) expect(readFileSync(join(folder, file)).length).toBe(bytes);
});

it('leaves nothing where writing ends early, and removes what a killed writer left', () => {
  const clips = { pixels: new Uint8Array(12), shape: [1, 2, 2, 3, 1] as const };
  const parent = join(root, 'early');
  mkdirSync(join(parent, 'g.tmp-0123456789ab'), { recursive: true });
  writeFileSync(join(parent, 'g.tmp-0123456789ab', 'shard-00000.bin'), 'half');
  mkdirSync(join(parent, 'g.tmp-of-mine'));
  const writer = createClipWriter(join(parent, 'g'));
  writer.add(clips);
  expect(() => writer.add({ pixels: new Uint8Array(24), shape: [1, 2, 4, 3, 1] })).toThrow('4x3 after those of 2x3');
  writer.abort();
  expect(readdirSync(parent)).toEqual(['g.tmp-of-mine']);
  expect(() => createClipWriter(join(parent, 'empty')).finish()).toThrow('no clip to write');
  writeClips(join(parent, 'g'), clips); // a second try
  writeFileSync(join(root, 'file'), '');
  expect(() => createClipWriter(join(root, 'file', 'below'))).toThrow('cannot be written');
});

it('refuses what it cannot write', () => {
  const clips = { pixels: new Uint8Array(12), shape: [1, 2, 2, 3, 1] as const };
  writeClips(join(root, 'taken'), clips);
  expect(() => writeClips(join(root, 'taken'), clips)).toThrow('holds something');
  expect(() => writeClips(join(root, 'new'), { ...clips, shape: [1, 2, 2, 3, 4] })).toThrow('4 channels');
  expect(() => writeClips(join(root, 'new'), { ...clips, shape: [2, 2, 2, 3, 1] })).toThrow(
    '12 pixels; clips of [2, 2, 2, 3, 1] have 24',
  );
  expect(() => writeClips(join(root, 'new'), clips, { labels: [] })).toThrow('0 labels for 1 clips');
});

it('keeps the numbers of classes that are given, and says the stride', () => {
  const clips = { pixels: new Uint8Array(2 * 4), shape: [2, 1, 2, 2, 1] as const };
  const writer = createClipWriter(join(root, 'classes'), { classes: ['emu', 'two cats', 'ant'], frameStride: 3 });
  writer.add(clips, ['ant', 'two cats']);
  expect(() => writer.add(clips, ['ant', 'bee'])).toThrow("no class 'bee' among emu, two cats, ant");
  writer.finish();
  expect(readIndex(join(root, 'classes'))).toMatchObject({ classes: ['emu', 'two cats', 'ant'], frameStride: 3 });
  expect(() => createClipWriter(join(root, 'none'), { frameStride: 0 })).toThrow('frameStride');
});
