import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { checkFetched, emojiFolder, readSprites } from './emoji-cache.ts';
import { fetchEmoji, type NpmPackage } from './fetch-emoji.ts';

const root = mkdtempSync(join(tmpdir(), 'emoji-'));
let cache: string;
let emoji: NpmPackage;

/** An animation of 128x128: a square of a colour, half transparent, that steps to the right every 250 ms. */
function animation(colour: [number, number, number], pages = 4): Promise<Buffer> {
  const pixels = Buffer.alloc(pages * 128 * 128 * 4);
  for (let page = 0; page < pages; page++)
    for (let y = 32; y < 64; y++)
      for (let x = page * 32; x < page * 32 + 32; x++) pixels.set([...colour, 128], ((page * 128 + y) * 128 + x) * 4);
  return sharp(pixels, { raw: { width: 128, height: pages * 128, channels: 4, pageHeight: 128 } })
    .webp({ lossless: true, delay: Array(pages).fill(250), loop: 0 })
    .toBuffer();
}

/** A package as npm packs it, of a folder on this disk. */
function packageOf(name: string, files: Record<string, Buffer | string>): NpmPackage {
  const spec = join(root, name);
  for (const [path, content] of Object.entries({
    'package.json': JSON.stringify({ name, version: '1.0.0' }),
    ...files,
  })) {
    mkdirSync(join(spec, path, '..'), { recursive: true });
    writeFileSync(join(spec, path), content);
  }
  const { stdout } = spawnSync('npm', ['pack', spec, '--dry-run', '--json'], { encoding: 'utf8' });
  const [{ integrity, size }] = JSON.parse(stdout);
  return { spec, integrity, bytes: size };
}

beforeAll(async () => {
  emoji = packageOf('emoji', {
    'assets/1f400.webp': await animation([200, 100, 40]),
    'assets/1f405.webp': await animation([10, 20, 30], 3),
    'assets/1f9ff.webp': await animation([1, 2, 3]), // not in the list of those that may be used
  });
});
beforeEach(() => {
  cache = mkdtempSync(join(root, 'cache-'));
  vi.stubEnv('EFLOW_CACHE', cache);
});
afterEach(() => vi.unstubAllEnvs());
afterAll(() => rmSync(root, { recursive: true }));

describe('fetchEmoji', () => {
  it('keeps those that may be used at 8 frames a second, colours multiplied by alpha', async () => {
    const shares: number[] = [];
    const folder = await fetchEmoji({ emoji, onProgress: (share) => shares.push(share) });
    expect(folder).toBe(emojiFolder());
    expect(readdirSync(folder)).toEqual(['1f400.rgba', '1f405.rgba']);
    expect(checkFetched).not.toThrow();
    expect(shares.at(-1)).toBeCloseTo(1, 1);
    const frames = readSprites('1f400');
    const at = (frame: number, picture: number, x: number, y: number) => {
      const { side, pixels } = frames[frame]![picture]!;
      return [...pixels.subarray((y * side + x) * 4, (y * side + x) * 4 + 4)];
    };
    const ink = [100, 50, 20, 128];
    // 64 pixels for 128, two frames for each step of 250 ms, and again from the start.
    expect([at(0, 0, 0, 16), at(1, 0, 15, 31), at(2, 0, 15, 31), at(2, 0, 16, 16), at(8, 0, 0, 16)]).toEqual([
      ink,
      ink,
      [0, 0, 0, 0],
      ink,
      ink,
    ]);
    expect([at(0, 3, 0, 2), at(0, 3, 2, 2)]).toEqual([ink, [0, 0, 0, 0]]); // 8 pixels for 128
    expect(readdirSync(cache)).toEqual([folder.split('/').at(-1)]);
    expect(await fetchEmoji({ npm: 'no-such-npm' })).toBe(folder); // is there
  });

  it.each<[what: string, options: () => Parameters<typeof fetchEmoji>[0], message: string]>([
    ['another hash', () => ({ emoji: { ...emoji, integrity: 'sha512-AA==' } }), 'npm gave another package'],
    ['no npm', () => ({ emoji, npm: 'no-such-npm' }), 'was not found: install it'],
    [
      'a package that is not there',
      () => ({ emoji: { ...emoji, spec: join(root, 'nowhere') } }),
      'npm could not fetch',
    ],
    [
      'a package without emoji',
      () => ({ emoji: packageOf('empty', { 'assets/readme.txt': 'none' }) }),
      'has no animated emoji',
    ],
  ])('refuses %s, and leaves nothing behind', async (_, options, message) => {
    await expect(fetchEmoji(options())).rejects.toThrow(message);
    expect(existsSync(emojiFolder())).toBe(false);
    expect(readdirSync(cache)).toEqual([]);
  });

  it('names a picture that does not move', async () => {
    const still = await sharp({ create: { width: 128, height: 128, channels: 4, background: 'red' } })
      .webp()
      .toBuffer();
    const emoji = packageOf('still', { 'assets/1f400.webp': still });
    await expect(fetchEmoji({ emoji })).rejects.toThrow('1f400 has 1 frames of 128x128');
  });

  it('keeps them in EFLOW_CACHE, else in the cache folder of the user', () => {
    const folder = 'fluent-emoji-anim-1@1.0.0';
    expect(emojiFolder({ EFLOW_CACHE: '/a', XDG_CACHE_HOME: '/b' })).toBe(`/a/${folder}`);
    expect(emojiFolder({ EFLOW_CACHE: '', XDG_CACHE_HOME: '/b' })).toBe(`/b/eflow/${folder}`);
    expect(emojiFolder({ XDG_CACHE_HOME: 'relative' })).toBe(emojiFolder({}));
  });

  it('says how to have them where they are not', () => {
    expect(checkFetched).toThrow('eflow-data fetch-emoji');
  });
});
