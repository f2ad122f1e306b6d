import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { writeFilm } from '../../fixtures/films.ts';
import { createBatches } from '../batches.ts';
import { type HeldOut, heldOutVideos } from './held-out.ts';
import { prepareVideos } from './prepare.ts';
import { describeLeftOut, recordVideos } from './record-videos.ts';
import { readIndex } from './shards.ts';
import { openVideos } from './video-clips.ts';
import { videosSchema } from './videos-spec.ts';
import { writeClips } from './write-clips.ts';

const root = mkdtempSync(join(tmpdir(), 'held-out-'));
afterAll(() => rmSync(root, { recursive: true }));

/** Clips of 2 frames of 4x4, as many as labels; every pixel of clip i is i. Their paths are clip-000000 and on. */
function write(name: string, labels: string[]): string {
  const folder = join(root, name);
  const pixels = Uint8Array.from({ length: 32 * labels.length }, (_, i) => Math.floor(i / 32));
  writeClips(folder, { pixels, shape: [labels.length, 2, 4, 4, 1] }, { labels });
  return folder;
}

function put(name: string, text: string): string {
  writeFileSync(join(root, name), text);
  return join(root, name);
}

const sectionOf = (folder: string, heldOut?: HeldOut) => ({
  ...videosSchema.parse({ kind: 'videos', folder, heldOut, numFrames: 2, height: 4, width: 4, numClasses: 1 }),
  seed: 3,
});
/** The clips that a part has, by their numbers, in one epoch. */
function clipsOf(folder: string, heldOut: HeldOut | undefined, split: 'train' | 'held-out'): number[] {
  const videos = openVideos({ ...sectionOf(folder, heldOut), split });
  const clips = Array.from({ length: videos.length }, (_, i) => videos.clip(i).pixels[0]!);
  videos.close();
  return clips.sort((a, b) => a - b);
}

const many = Array.from({ length: 200 }, () => 'a');
let folder: string;
beforeAll(() => {
  folder = write('many', many);
});

describe('a share that is held out', () => {
  it('parts the videos in two, about as it says, whatever the seed', () => {
    const [train, held] = [clipsOf(folder, 0.2, 'train'), clipsOf(folder, 0.2, 'held-out')];
    expect([...train, ...held].sort((a, b) => a - b)).toEqual(Array.from(many, (_, i) => i));
    expect(Math.abs(held.length - 40)).toBeLessThan(17); // three standard deviations
    const other = openVideos({ ...sectionOf(folder, 0.2), seed: 4, split: 'held-out' });
    const clips = Array.from({ length: other.length }, (_, i) => other.clip(i).pixels[0]!);
    other.close();
    expect(clips.sort((a, b) => a - b)).toEqual(held);
  });

  it('is a part of every larger one, and leaves videos where they are when others come', () => {
    const held = clipsOf(folder, 0.1, 'held-out');
    expect(clipsOf(folder, 0.3, 'held-out')).toEqual(expect.arrayContaining(held));
    const fewer = write('fewer', many.slice(0, 120));
    expect(clipsOf(fewer, 0.1, 'held-out')).toEqual(held.filter((clip) => clip < 120));
    // As it was when this was written: SHA-256, its first 32 bits as a share of 2^32.
    const isHeldOut = heldOutVideos(folder, 0.5);
    expect(['cat/1.mp4', 'cat/2.mp4', 'dog/1.mp4', 'dogs.tar!2.mp4'].map(isHeldOut)).toEqual([false, true, true, true]);
  });

  it('is absent by default, and then every clip is as it was', () => {
    const before = openVideos({ folder, numFrames: 2, frameStride: 1, start: 'random', flip: false, seed: 3 });
    const now = openVideos(sectionOf(folder));
    expect(now.length).toBe(200);
    for (const i of [0, 77, 300]) expect(now.clip(i)).toEqual(before.clip(i));
    for (const videos of [before, now]) videos.close();
    expect(recordVideos(sectionOf(folder))).not.toHaveProperty('heldOut');
    expect(() => clipsOf(folder, undefined, 'held-out')).toThrow('no part of the videos is held out; set data.heldOut');
  });

  it('never comes in batches to train on, which are made in a worker', async () => {
    const batches = createBatches({ ...sectionOf(folder, 0.2), split: 'train' }, { batchSize: 100 });
    const seen = new Set<number>();
    for (let i = 0; i < 4; i++) {
      const { pixels } = await batches.next();
      for (let clip = 0; clip < 100; clip++) seen.add(pixels[clip * 96]!);
    }
    await batches.close();
    expect([...seen].sort((a, b) => a - b)).toEqual(clipsOf(folder, 0.2, 'train'));
  });

  it.each<[HeldOut, string]>([
    [1e-9, 'data.heldOut, 1e-9, leaves none of its 200 videos to measure on; give another share'],
    [0.999999, 'data.heldOut, 0.999999, leaves none of its 200 videos to train on'],
  ])('of %s is refused', (heldOut, message) => {
    expect(() => recordVideos(sectionOf(folder, heldOut))).toThrow(`${folder}: ${message}`);
  });

  it.each([0, 1, -0.1, 5, ''])('cannot be %j', (heldOut) => {
    expect(() => sectionOf(folder, heldOut)).toThrow('expected a share between 0 and 1, such as 0.05, or the file of');
  });
});

describe('a list of videos that are held out', () => {
  it("has a path on each line, as UCF-101's have", () => {
    const list = put('list.txt', 'clip-000003\r\n\r\n  clip-000150 2\nclip-000007\n');
    expect(clipsOf(folder, list, 'held-out')).toEqual([3, 7, 150]);
    expect(clipsOf(folder, list, 'train')).toHaveLength(197);
  });

  it.each<[string, string | undefined, string]>([
    [
      'missing.txt',
      undefined,
      'missing.txt cannot be read (ENOENT); give a share, such as data.heldOut=0.05, or a file',
    ],
    ['empty.txt', '\n \n', 'empty.txt lists no video'],
    ['stranger.txt', 'clip-000001\nclip-1\n', "stranger.txt, line 2: FOLDER was made from no video 'clip-1'"],
    [
      'all.txt',
      many.map((_, i) => `clip-${String(i).padStart(6, '0')}`).join('\n'),
      'none of its 200 videos to train on',
    ],
  ])('is refused as %s', (name, text, message) => {
    const list = text === undefined ? join(root, name) : put(name, text);
    expect(() => recordVideos(sectionOf(folder, list))).toThrow(message.replace('FOLDER', folder));
  });
});

describe('the record of videos of which some are held out', () => {
  it('has their number, and tells one part from another', () => {
    const list = (clips: number[]) => put('some.txt', clips.map((i) => `clip-00000${i}`).join('\n'));
    const small = write('small', ['a', 'a', 'b', 'c', 'c']);
    const [plain, held] = [recordVideos(sectionOf(small)), recordVideos(sectionOf(small, list([0, 2])))];
    const { heldOut, emptyClasses, ...rest } = held;
    expect({ ...rest, emptyClasses: [] }).toEqual(plain);
    expect([heldOut!.videos, emptyClasses]).toEqual([2, ['b']]);
    expect(describeLeftOut(held)).toBe("2 of 5 videos are held out. Nothing is left of 'b'.");
    expect(recordVideos(sectionOf(small, list([2, 0]))).heldOut).toEqual(heldOut);
    expect(recordVideos(sectionOf(small, list([0, 1]))).heldOut!.digest).not.toBe(heldOut!.digest);
  });

  it('counts videos that are too short in both parts, and refuses too many of all', () => {
    const small = write('short', ['a', 'a', 'a', 'a', 'a']);
    const file = join(small, 'index.json');
    const index = JSON.parse(readFileSync(file, 'utf8'));
    for (const i of [1, 4]) index.shards[0].videos[i].numFrames = 1;
    writeFileSync(file, JSON.stringify(index));
    const section = { ...sectionOf(small, put('two.txt', 'clip-000000\nclip-000001')), maxTooShort: 0.4 };
    const record = recordVideos(section);
    expect(record).toMatchObject({ videos: 5, tooShort: 2, heldOut: { videos: 1 } });
    const left = '2 of 5 videos have fewer than the 2 frames that a clip spans, and are left out.';
    expect(describeLeftOut(record)).toBe(`${left} 1 of 5 videos are held out.`);
    expect(() => recordVideos({ ...section, maxTooShort: 0.39 })).toThrow(`${left} That is more than 39 %`);
  });
});

it('holds out films by their paths in a folder, wherever it lies; a list may name one that could not be used', async () => {
  const prepared = async (name: string, films: string[]) => {
    for (const film of films) {
      const file = join(root, name, film);
      mkdirSync(dirname(file), { recursive: true });
      if (film.includes('broken')) writeFileSync(file, 'no film');
      else await writeFilm(file, { codec: 'ffv1', numFrames: 2, height: 16, width: 16 });
    }
    const out = join(root, `${name}-shards`);
    await prepareVideos({ source: { path: join(root, name) }, out, height: 4, width: 4, jobs: 2, maxRejected: 0.5 });
    return out;
  };
  const heldOutOf = (shards: string, heldOut: HeldOut) => {
    const isHeldOut = heldOutVideos(shards, heldOut);
    return readIndex(shards).shards.flatMap(({ videos }) => videos.map(({ path }) => path).filter(isHeldOut));
  };
  const four = ['cat/1.mkv', 'cat/2.mkv', 'dog/1.mkv', 'dog/2.mkv'];
  const before = await prepared('before', four);
  const after = await prepared('after', ['ant/1.mkv', ...four, 'cat/1a.mkv', 'cat/broken.mkv']);
  const [held, now] = [heldOutOf(before, 0.5), heldOutOf(after, 0.5)];
  expect([held.length > 0, held.length < 4]).toEqual([true, true]);
  expect(now.filter((path) => four.includes(path))).toEqual(held);
  expect(heldOutOf(after, put('films.txt', 'dog/2.mkv\ncat/broken.mkv\n'))).toEqual(['dog/2.mkv']);
});
