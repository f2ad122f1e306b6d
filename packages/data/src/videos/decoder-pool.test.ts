import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { writeFilm } from '../../fixtures/films.ts';
import { createDecoderPool, type DecoderPool, type PoolOptions } from './decoder-pool.ts';

const root = mkdtempSync(join(tmpdir(), 'pool-'));
const film = join(root, 'film.mkv');
beforeAll(() => writeFilm(film, { codec: 'ffv1' }));
afterAll(() => rmSync(root, { recursive: true }));

const LIMITS = { maxFrames: 1000, maxPixels: 33e6 };
let pool: DecoderPool;
const open = (options: Partial<PoolOptions> = {}) => {
  pool = createDecoderPool({ jobs: 1, deadlineSeconds: 300, maxResidentBytes: 2 ** 34, ...options });
  return pool;
};
afterEach(() => pool.close());

/** Processes of this one that decode. */
function decoders(): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .filter((pid) => {
      try {
        const parent = /\) . (\d+)/.exec(readFileSync(`/proc/${pid}/stat`, 'utf8'))?.[1];
        return parent === String(process.pid) && readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes('decode-child');
      } catch {
        return false; // it has ended meanwhile
      }
    })
    .map(Number);
}
const isGone = (pid: number) => !decoders().includes(pid);

describe('a pool of decoders', () => {
  it('decodes as many videos at a time as it has processes, and keeps these', async () => {
    const { decode } = open({ jobs: 2 });
    const videos = await Promise.all(Array.from({ length: 5 }, () => decode(film, LIMITS)));
    expect(videos.map(({ numFrames, pixels }) => [numFrames, pixels.length])).toEqual(
      Array(5).fill([30, 30 * 48 * 64 * 3]),
    );
    expect(decoders()).toHaveLength(2);
  });

  it('writes frames to a file, and tells of them', async () => {
    const target = join(root, 'frames');
    const { decode, decodeTo } = open();
    const told: number[] = [];
    const video = await decodeTo(target, film, LIMITS, (frames) => told.push(frames));
    const { pixels, ...rest } = await decode(film, LIMITS);
    expect(video).toEqual(rest);
    expect(Buffer.compare(readFileSync(target), pixels)).toBe(0);
    expect(told[0]).toBe(0);
    expect(statSync(target).size).toBe(30 * 48 * 64 * 3);
  });

  it('starts another process for one that ended while idle, or just after its answer', async () => {
    const { decode } = open();
    for (let i = 0; i < 5; i++) {
      expect((await decode(film, LIMITS)).numFrames).toBe(30);
      const [pid] = decoders();
      process.kill(pid!, 'SIGKILL');
      // Odd rounds hand the next video to a process that is ending, even ones to a pool that knows of its end.
      while (i % 2 === 0 && !isGone(pid!)) await new Promise((done) => setImmediate(done));
    }
    expect((await decode(film, LIMITS)).numFrames).toBe(30);
  });

  it('rejects the video whose process ends in the middle of it, and that one alone', async () => {
    const { decodeTo, decode } = open();
    const killed = decodeTo(join(root, 'killed'), film, { ...LIMITS, fps: 30 }, () => {
      for (const pid of decoders()) process.kill(pid, 'SIGKILL');
    });
    const next = decode(film, LIMITS);
    await expect(killed).rejects.toMatchObject({ code: 'crash' });
    expect((await next).numFrames).toBe(30);
  });

  it('says of a video that takes too long or too much what it took', async () => {
    await expect(open({ deadlineSeconds: 0.001 }).decode(film, LIMITS)).rejects.toMatchObject({ code: 'deadline' });
    pool.close();
    const long = { ...LIMITS, maxFrames: 10 ** 9, fps: 1000, size: { height: 1000, width: 1000 } };
    await expect(open({ maxResidentBytes: 1 }).decodeTo('/dev/null', film, long)).rejects.toMatchObject({
      code: 'memory',
    });
  });

  it('takes no more memory for many frames than for few', async () => {
    const long = { ...LIMITS, maxFrames: 10 ** 6, fps: 1000, size: { height: 400, width: 400 } };
    // 1.4 GB of frames, through a process that may have a third of that.
    const { numFrames } = await open({ maxResidentBytes: 480 * 2 ** 20 }).decodeTo('/dev/null', film, long);
    expect(numFrames).toBe(3000);
  });

  it('blames a file that cannot be written, not the video', async () => {
    const failed = open().decodeTo('/dev/full', film, LIMITS);
    await expect(failed).rejects.toThrow(/ENOSPC/);
    await expect(failed).rejects.not.toHaveProperty('code');
  });

  it('rejects what waits when it is closed, starts nothing anew, and leaves no process', async () => {
    const { decode, close } = open();
    const all = Array.from({ length: 4 }, () => decode(film, LIMITS));
    const results = Promise.allSettled(all);
    close();
    expect((await results).map(({ status }) => status)).toEqual(Array(4).fill('rejected'));
    while (decoders().length > 0) await new Promise((done) => setImmediate(done));
    await expect(decode(film, LIMITS)).rejects.toThrow('closed');
  });
});
