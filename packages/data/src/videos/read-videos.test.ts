import { copyFileSync, linkSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { findVideos } from './find-videos.ts';
import { type ReadVideo, readVideos } from './read-videos.ts';

const FILM = join(dirname(createRequire(import.meta.url).resolve('vide/package.json')), 'test/video/ocean.mp4');
const NAMES = Array.from({ length: 12 }, (_, i) => `class-${Math.floor(i / 6)}-${i}.mp4`);

let root: string;
beforeAll(() => {
  root = mkdtempSync(join(tmpdir(), 'read-videos-'));
  copyFileSync(FILM, join(root, 'film'));
  // The third and the last are listed and not there.
  for (const name of NAMES.filter((_, i) => i !== 2 && i !== 11)) linkSync(join(root, 'film'), join(root, name));
});
afterAll(() => rmSync(root, { recursive: true }));

/** What comes of a manifest of those names, up to so many clips: names, in brackets where one is rejected. */
async function draw(names: readonly string[], seed: number, most = Number.POSITIVE_INFINITY): Promise<string[]> {
  writeFileSync(join(root, 'list.csv'), `path\n${names.join('\n')}\n`);
  const drawn: string[] = [];
  let clips = 0;
  for await (const video of readVideos(await findVideos({ path: join(root, 'list.csv') }), { numFrames: 2, seed })) {
    drawn.push('code' in video ? `(${video.path})` : video.path);
    if (!('code' in video) && ++clips === most) break;
  }
  return drawn;
}

describe('readVideos', () => {
  it('draws by the seed, whatever the order of the list, and takes the next where one cannot be used', async () => {
    const drawn = await draw(NAMES, 0);
    expect(drawn.map((name) => name.replace(/[()]/g, '')).sort()).toEqual([...NAMES].sort());
    expect(drawn.filter((name) => name.startsWith('('))).toHaveLength(2);
    const first = await draw([...NAMES].reverse(), 0, 9);
    expect(first).toEqual(drawn.slice(0, first.length));
    expect(first.filter((name) => !name.startsWith('('))).toHaveLength(9);
    expect(await draw(NAMES, 1, 9)).not.toEqual(first);
  });

  it('draws every video equally often', async () => {
    const missing = Array.from({ length: 10 }, (_, i) => `missing-${i}.mp4`); // nothing is decoded
    const counts = new Map<string, number>();
    for (let seed = 0; seed < 400; seed++) {
      for (const name of (await draw(missing, seed)).slice(0, 5)) counts.set(name, (counts.get(name) ?? 0) + 1);
    }
    // Binomial, 400 draws at 1/2: mean 200, standard deviation 10.
    for (const count of counts.values()) expect(Math.abs(count - 200)).toBeLessThan(45);
    expect(counts.size).toBe(10);
  });

  it('gives the first frames at their own size, by their stride', async () => {
    writeFileSync(join(root, 'one.csv'), `path\n${NAMES[0]}\n`);
    const found = await findVideos({ path: join(root, 'one.csv') });
    const read = async (numFrames: number, frameStride: number) => {
      const videos: ReadVideo[] = [];
      for await (const video of readVideos(found, { numFrames, frameStride, seed: 0 })) videos.push(video as ReadVideo);
      return videos[0]!;
    };
    const [all, others] = [await read(3, 1), await read(2, 2)];
    expect([all.shape, others.shape]).toEqual([
      [3, 720, 1280, 3],
      [2, 720, 1280, 3],
    ]);
    const bytes = 720 * 1280 * 3;
    expect(Buffer.compare(others.pixels.subarray(bytes), all.pixels.subarray(2 * bytes))).toBe(0);
    await expect(read(2, 0)).rejects.toThrow('frameStride: expected an integer from 1 on, got 0');
  });
});
