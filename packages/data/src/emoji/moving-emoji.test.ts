import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import type { Clip, ClipDataset } from '../clip-dataset.ts';
import { ANIMALS } from './animals.ts';
import { emojiFolder, SPRITE_FRAMES, SPRITE_SIDE } from './emoji-cache.ts';
import { movingEmoji } from './moving-emoji.ts';

const cache = mkdtempSync(join(tmpdir(), 'moving-emoji-'));
/** Subjects are full squares, whose green is 255 and whose red says which one it is, in frames that blue counts. */
const GREEN = 255;

beforeAll(() => {
  vi.stubEnv('EFLOW_CACHE', cache);
  mkdirSync(emojiFolder());
  for (const [i, [code]] of ANIMALS.entries()) {
    const bytes = Buffer.alloc(SPRITE_FRAMES * SPRITE_SIDE ** 2 * 4);
    for (let pixel = 0; pixel < bytes.length / 4; pixel++)
      bytes.set([i, GREEN, 10 * Math.floor(pixel / SPRITE_SIDE ** 2), 255], 4 * pixel);
    writeFileSync(join(emojiFolder(), `${code}.rgba`), bytes);
  }
});
afterAll(() => {
  vi.unstubAllEnvs();
  rmSync(cache, { recursive: true });
});

const [F, H, W] = [9, 32, 40];
const open = (more = {}): ClipDataset =>
  movingEmoji.open({ numFrames: F, height: H, width: W, combinations: 'seen', split: 'train', seed: 3, ...more });
const take = (dataset: ClipDataset, count: number) => Array.from({ length: count }, (_, i) => dataset.clip(i));

/** Of each frame the box of what is nearly all of the subject, and its purest pixel. */
function look({ pixels }: Clip) {
  return Array.from({ length: F }, (_, frame) => {
    const box = { left: W, right: -1, top: H, bottom: -1 };
    let inside = [255, 0, 0];
    for (let y = 0; y < H; y++) {
      for (let x = 0; x < W; x++) {
        const [red, green, blue] = pixels.subarray(((frame * H + y) * W + x) * 3);
        if (green !== GREEN || red! >= ANIMALS.length) continue;
        if (red! < inside[0]!) inside = [red!, green, blue!];
        box.left = Math.min(box.left, x);
        box.right = Math.max(box.right, x);
        box.top = Math.min(box.top, y);
        box.bottom = Math.max(box.bottom, y);
      }
    }
    return { ...box, size: box.right - box.left, inside };
  });
}

describe('moving emoji', () => {
  it('makes clip i of the seed, the split and of i alone', () => {
    const clips = take(open(), 8);
    for (const i of [7, 0, 3]) expect(open().clip(i)).toEqual(clips[i]);
    expect(open({ seed: 4 }).clip(0)).not.toEqual(clips[0]);
    expect(open({ split: 'held-out' }).clip(0)).not.toEqual(clips[0]);
    expect(open().shape).toEqual([F, H, W, movingEmoji.describe().channels]);
  });

  it('shows the subject on the ground, in motion, along the path that the caption says', () => {
    const task = movingEmoji.captions();
    const paths = new Set<string>();
    const grounds = new Map<number, string[]>();
    for (const clip of take(open(), 400)) {
      const values = task.valuesOf(clip.label);
      const frames = look(clip);
      expect(frames.map(({ inside }) => inside[0])).toEqual(frames.map(() => values.subject));
      expect(new Set(frames.map(({ inside }) => inside[2])).size).toBeGreaterThan(4);
      const corners = frames.map((_, frame) => clip.pixels.subarray(frame * H * W * 3, frame * H * W * 3 + 3).join());
      grounds.set(values.ground, [...(grounds.get(values.ground) ?? []), ...corners]);

      const [first, last] = [frames[0]!, frames.at(-1)!];
      const path = task.factors.path[values.path]!;
      paths.add(path);
      const [right, down, growth] = [last.left - first.left, last.top - first.top, last.size - first.size];
      const steps = [right, down].map(Math.abs);
      if (path === 'moves left') expect([right < -5, down]).toEqual([true, 0]);
      if (path === 'moves right') expect([right > 5, down]).toEqual([true, 0]);
      if (path === 'moves up') expect([right, down < -5]).toEqual([0, true]);
      if (path === 'moves down') expect([right, down > 5]).toEqual([0, true]);
      if (path === 'grows') expect(growth).toBeGreaterThan(4);
      if (path === 'shrinks') expect(growth).toBeLessThan(-4);
      if (path === 'stays') expect(steps).toEqual([0, 0]);
      if (path === 'bounces') {
        const middle = frames[F >> 2]!; // a quarter of the way: the top of the first of two bounces
        expect([steps, first.top - middle.top > 5, middle.left]).toEqual([[0, 0], true, first.left]);
      }
      for (const { left, right: end, top, bottom } of frames)
        expect([left >= 0, end < W, top >= 0, bottom < H]).toEqual([true, true, true, true]);
    }
    expect(paths.size).toBe(8);
    // Most often a corner shows the ground alone: one colour for each.
    const commonest = [...grounds.values()].map((corners) => {
      const count = (colour: string) => corners.filter((one) => one === colour).length;
      return [...new Set(corners)].sort((a, b) => count(b) - count(a))[0];
    });
    expect(new Set(commonest).size).toBe(12);
  });

  it('names a subject by words that are its own', () => {
    const captions = take(open(), 1000).map(({ caption }) => caption!);
    const named = (text: RegExp) => captions.some((caption) => text.test(caption));
    expect([named(/\ban ant\b/), named(/\ba bear\b/), named(/\ba kitty\b/), named(/animal/)]).toEqual([
      true,
      true,
      true,
      false,
    ]);
  });

  it('leaves a fifth of the combinations out of training, each pair of values among the rest', () => {
    const { isUnseen, numCombinations, valuesOf } = movingEmoji.captions();
    const labels = Array.from({ length: numCombinations }, (_, label) => label);
    const seen = labels.filter((label) => !isUnseen(label)).map(valuesOf);
    expect(1 - seen.length / numCombinations).toBeCloseTo(0.2, 2);
    const pairs = (a: 'subject' | 'ground', b: 'ground' | 'path') =>
      new Set(seen.map((one) => `${one[a]} ${one[b]}`)).size;
    expect([pairs('subject', 'ground'), pairs('subject', 'path'), pairs('ground', 'path')]).toEqual([780, 520, 96]);
    expect(take(open(), 300).some(({ label }) => isUnseen(label))).toBe(false);
    for (const more of [{ combinations: 'all' }, { split: 'held-out' }])
      expect(take(open(more), 100).some(({ label }) => isUnseen(label))).toBe(true);
  });

  it('refuses canvases on which no animal can be told', () => {
    expect(() => open({ height: 8 })).toThrow('expected at least 16');
    expect(() => open({ numFrames: 0 })).toThrow('numFrames');
    expect(() => open().clip(-1)).toThrow('clip index');
  });

  it('has a classifier of clips of one size', () => {
    const of = (more: object) => () =>
      movingEmoji.checkNameable({
        kind: 'movingEmoji',
        combinations: 'seen',
        numFrames: 8,
        height: 32,
        width: 32,
        ...more,
      });
    expect(of({})).not.toThrow();
    expect(of({ height: 64 })).toThrow('knows clips of 8 frames of 32x32; these are of 8 frames of 64x32');
    expect(of({ numFrames: 16 })).toThrow('these are of 16 frames');
  });

  it('says what captions say before the emoji are fetched, and how to fetch them where clips are asked for', () => {
    vi.stubEnv('EFLOW_CACHE', join(cache, 'empty'));
    expect(movingEmoji.captions().say(0)).toBe('a rat moves left on a white ground');
    expect(open).toThrow('eflow-data fetch-emoji');
    vi.stubEnv('EFLOW_CACHE', cache);
  });
});
