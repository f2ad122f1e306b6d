import { spawnSync } from 'node:child_process';
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readIndex } from './videos/shards.ts';
import { writeClips } from './videos/write-clips.ts';

const FILM = join(dirname(createRequire(import.meta.url).resolve('vide/package.json')), 'test/video/ocean.mp4');
const CLI = fileURLToPath(new URL('./cli.ts', import.meta.url));

let root: string;
beforeAll(() => {
  root = mkdtempSync(join(tmpdir(), 'cli-'));
});
afterAll(() => rmSync(root, { recursive: true }));

const eflowData = (...args: string[]) =>
  spawnSync(process.execPath, ['--import', import.meta.resolve('tsx'), '--conditions=@eflow/source', CLI, ...args], {
    cwd: root,
    encoding: 'utf8',
  });

describe('prepare', () => {
  it('says what became of every file, and how to train on it', () => {
    for (const path of ['cat/a.mp4', 'dog/b.mpg', 'emu/c.mp4', 'cat/._a.mp4', 'cat/a.txt', 'broken.mp4']) {
      mkdirSync(dirname(join(root, 'videos', path)), { recursive: true });
      writeFileSync(join(root, 'videos', path), '');
    }
    copyFileSync(FILM, join(root, 'videos/cat/a.mp4'));
    const out = 'sh ards #1: "a"';
    const flags = ['--out', out, '--size', '9x16', '--fps', '1', '--max-rejected', '0.8'];
    const { stdout, status } = eflowData('prepare', 'videos', ...flags);
    expect(status).toBe(0);
    expect(
      stdout,
    ).toBe(`5 videos seen = 1 ok + 0 short + 3 rejected + 1 skipped (${out}/rejected.jsonl); 3 classes: cat, dog, emu.
Other files, no videos by their names: 1 .txt.
Classes without a usable video: class 1 (dog), class 2 (emu).
To train on them:
  pnpm train videos-tiny data.folder='"sh ards #1: \\"a\\""'
`);
    const { classes, counts } = readIndex(join(root, out));
    expect(classes).toEqual(['cat', 'dog', 'emu']);
    expect(counts).toEqual({ seen: 5, ok: 1, short: 0, rejected: 3, skipped: 1 });
    const rejected = readFileSync(join(root, out, 'rejected.jsonl'), 'utf8')
      .trim()
      .split('\n');
    expect(rejected.map((line) => JSON.parse(line).code)).toEqual(['format', 'format', 'format']);
  });

  it.each([
    ['--fps', '0', 'expected a positive number'],
    ['--min-frames', '20000', 'minFrames is 20000 and maxFrames 10000: no video has so many frames'],
    ['--max-rejected', '1.1', 'expected a share from 0 to 1'],
    ['--size', '64x', 'expected a side, or height x width'],
  ])('refuses %s %s', (flag, value, message) => {
    const { stderr, status } = eflowData('prepare', '.', '--out', 'out', '--size', '8', flag, value);
    expect([status, stderr]).toEqual([1, expect.stringContaining(message)]);
  });
});

describe('inspect', () => {
  /** Clips of the colour 10 i, of these frames and classes; none is written as undefined. */
  function write(folder: string, clips: [numFrames: number, label?: string][], classes: string[]): void {
    const numFrames = Math.max(...clips.map(([count]) => count));
    const clipBytes = numFrames * 2 * 4 * 3;
    const pixels = Uint8Array.from({ length: clips.length * clipBytes }, (_, i) => 10 * Math.floor(i / clipBytes));
    writeClips(join(root, folder), { pixels, shape: [clips.length, numFrames, 2, 4, 3] });
    const index = readIndex(join(root, folder));
    for (const [i, [count, label]] of clips.entries()) {
      Object.assign(index.shards[0]!.videos[i]!, { numFrames: count, label });
    }
    writeFileSync(join(root, folder, 'index.json'), JSON.stringify({ ...index, classes }));
  }

  it('counts the videos of each class, and draws as many frames as there are', async () => {
    const clips: [number, string?][] = [[5, 'cat'], [3, 'cat'], [2], [1], [5], [4, 'emu']];
    write('clips', clips, ['cat', 'dog', 'emu', 'unlabelled']);
    const { stdout, status } = eflowData('inspect', 'clips');
    expect(status).toBe(0);
    expect(stdout).toBe(`6 videos seen = 6 ok + 0 short + 0 rejected + 0 skipped
2x4 pixels; 1 to 5 frames, 20 in all
  class 0: cat, 2 videos of 3 to 5 frames
  class 1: dog, no usable video
  class 2: emu, 1 video of 4 frames
  class 3: unlabelled, 3 videos of 1 to 5 frames
contact sheet: clips/contact-sheet.png
It has 5 of the 8 frames in a row: no video is longer.
Too short for it: 4 of 6 videos, among them all of class 2 (emu).
`);
    const { width, height } = await sharp(join(root, 'clips/contact-sheet.png')).metadata();
    expect([width, height]).toEqual([5 * 6 + 2, 2 * 4 + 2]); // two videos have five frames; gaps of two pixels
  });

  it('takes fewer frames where they are far from each other', () => {
    write('far', [[5], [5]], ['unlabelled']);
    const { stdout } = eflowData('inspect', 'far', '--frames', '2', '--stride', '9');
    expect(stdout).toContain('It has 1 of the 2 frames in a row');
  });
});
