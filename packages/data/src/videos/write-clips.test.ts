import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { openVideos } from './video-clips.ts';
import { writeClips } from './write-clips.ts';

const root = mkdtempSync(join(tmpdir(), 'clips-'));
afterAll(() => rmSync(root, { recursive: true }));

it.each([1, 3])('writes clips of %d channels that are read again to the byte', (channels) => {
  const folder = join(root, String(channels));
  const shape = [5, 4, 3, 2, channels] as const;
  const data = Uint8Array.from({ length: 5 * 4 * 3 * 2 * channels }, (_, i) => (i * 31) % 256);
  writeClips(folder, { data, shape }, { labels: ['b', 'a', 'b', 'c', 'a'] });
  const videos = openVideos({ folder, numFrames: 4, frameStride: 1, start: 'first', flip: false, seed: 1 });
  expect([videos.length, videos.classes, videos.shape]).toEqual([5, ['a', 'b', 'c'], [4, 3, 2, 3]]);
  const bytes = data.length / 5;
  const written = Array.from({ length: 5 }, (_, i) => data.subarray(i * bytes, (i + 1) * bytes));
  const grey = (pixels: Uint8Array) => (channels === 3 ? pixels : pixels.filter((_, i) => i % 3 === 0));
  const read = Array.from({ length: 5 }, (_, i) => videos.clip(i));
  const matches = read.map(({ pixels }) => written.findIndex((one) => Buffer.compare(one, grey(pixels)) === 0));
  expect([...matches].sort()).toEqual([0, 1, 2, 3, 4]);
  expect(read.map(({ label }) => videos.classes[label])).toEqual(matches.map((i) => ['b', 'a', 'b', 'c', 'a'][i]));
  if (channels === 1) expect(read[0]!.pixels.every((x, i, all) => x === all[i - (i % 3)])).toBe(true);
  videos.close();
});

it('refuses what it cannot write', () => {
  const clips = { data: new Uint8Array(12), shape: [1, 2, 2, 3, 1] as const };
  writeClips(join(root, 'taken'), clips);
  expect(() => writeClips(join(root, 'taken'), clips)).toThrow('holds something');
  expect(() => writeClips(join(root, 'new'), { ...clips, shape: [1, 2, 2, 3, 4] })).toThrow('4 channels');
  expect(() => writeClips(join(root, 'new'), { ...clips, shape: [2, 2, 2, 3, 1] })).toThrow('12 pixels do not fill');
  expect(() => writeClips(join(root, 'new'), clips, { labels: [] })).toThrow('0 labels for 1 clips');
});
