import { spawnSync } from 'node:child_process';
import {
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { pack } from 'tar-stream';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { decodeWhole, writeFilm } from '../../fixtures/films.ts';
import { type PrepareOptions, prepareVideos } from './prepare.ts';
import { readIndex } from './shards.ts';

/** A film of waves: 1280x720, 240 frames at 24 a second, as H.264 and as VP8. */
const FILMS = join(dirname(createRequire(import.meta.url).resolve('vide/package.json')), 'test/video');
const [MP4, WEBM] = [join(FILMS, 'ocean.mp4'), join(FILMS, 'ocean.webm')];
const SIZE = { height: 12, width: 16 };
const FRAME_BYTES = 12 * 16 * 3;

let root: string;
beforeAll(() => {
  root = mkdtempSync(join(tmpdir(), 'prepare-'));
});
afterAll(() => rmSync(root, { recursive: true }));

const prepare = (path: string, out: string, more: Partial<PrepareOptions> = {}) =>
  prepareVideos({ source: { path }, out: join(root, out), ...SIZE, jobs: 2, ...more });

describe('prepareVideos', () => {
  /** Eight parts of the film, half a second each, every other from the VP8 file. */
  function writeParts(): string {
    const folder = join(root, 'parts');
    mkdirSync(folder, { recursive: true });
    copyFileSync(MP4, join(folder, 'ocean.mp4'));
    copyFileSync(WEBM, join(folder, 'ocean.webm'));
    const rows = Array.from({ length: 8 }, (_, i) => `ocean.${i % 2 ? 'webm' : 'mp4'},part ${i % 3},${i},${i + 0.5}`);
    writeFileSync(join(folder, 'list.csv'), `path,label,start,end\n${rows.join('\n')}\n`);
    return join(folder, 'list.csv');
  }

  it('writes every part as its frames of the film, and tells what there is', async () => {
    const progress: number[] = [];
    const { counts, classes } = await prepare(writeParts(), 'whole', {
      videosPerShard: 3,
      onProgress: ({ done, total }) => progress.push(done / total),
    });
    expect(counts).toEqual({ seen: 8, ok: 8, short: 0, rejected: 0, skipped: 0 });
    expect(classes).toEqual(['part 0', 'part 1', 'part 2']);
    expect(progress.at(-1)).toBe(1);
    expect([...progress].sort((a, b) => a - b)).toEqual(progress);

    const { shards } = readIndex(join(root, 'whole'));
    expect(shards.map(({ videos }) => videos.length)).toEqual([3, 3, 2]);
    const films = await Promise.all([MP4, WEBM].map((file) => decodeWhole(file, { size: SIZE })));
    for (const [i, { file, video }] of shards
      .flatMap((s) => s.videos.map((v) => ({ file: s.file, video: v })))
      .entries()) {
      expect(video.numFrames).toBe(12);
      const bytes = readFileSync(join(root, 'whole', file)).subarray(video.offset, video.offset + 12 * FRAME_BYTES);
      const film = films[i % 2]!.pixels.subarray(24 * i * FRAME_BYTES, (24 * i + 12) * FRAME_BYTES);
      expect(Buffer.compare(bytes, film), `part ${i}`).toBe(0);
    }
  });

  it('goes on with what an interrupted call left, to the same bytes', async () => {
    const list = writeParts();
    await prepare(list, 'again', { videosPerShard: 3 });
    const folder = join(root, 'again');
    const contents = () =>
      readdirSync(folder).map((name) => [name, readFileSync(join(folder, name)).toString('base64')]);
    const before = contents();
    for (const name of ['index.json', 'shard-00001.json']) rmSync(join(folder, name));
    writeFileSync(join(folder, 'shard-00001.bin.tmp'), 'half');
    writeFileSync(join(folder, 'shard-00002.bin'), 'short');
    await prepare(list, 'again', { videosPerShard: 3 });
    expect(contents()).toEqual(before);
    await expect(prepare(list, 'again', { videosPerShard: 3, width: 20 })).rejects.toThrow('made with other settings');
    await expect(prepare(list, 'parts')).rejects.toThrow('holds something else');
  });

  describe('looks again at what has changed', () => {
    /** Three films, each of its own class, one of them of no use. */
    async function writeFolder(name: string): Promise<{ folder: string; at: (video: string) => string }> {
      const folder = join(root, name);
      const at = (video: string) => join(folder, video);
      for (const video of ['a', 'b', 'c']) {
        mkdirSync(at(video), { recursive: true });
        await writeFilm(at(`${video}/1.mkv`), { codec: 'ffv1', numFrames: 4 });
      }
      return { folder, at };
    }
    const frames = (out: string) => readIndex(join(root, out)).shards.map(({ videos }) => videos[0]!.numFrames);
    const files = (out: string) =>
      readdirSync(join(root, out))
        .filter((name) => name.endsWith('.bin'))
        .map((name) => [name, statSync(join(root, out, name)).ino]);

    it('a mended, a replaced, a removed and a new video, and keeps the shards of the others', async () => {
      const { folder, at } = await writeFolder('mending');
      const whole = readFileSync(at('c/1.mkv'));
      writeFileSync(at('c/1.mkv'), whole.subarray(0, 200));
      const again = () => prepare(folder, 'mended', { videosPerShard: 1, jobs: 1 });
      await expect(again()).rejects.toThrow('1 of 3 videos are rejected');
      await expect(again()).rejects.toThrow('1 of 3 videos are rejected');
      const before = files('mended');

      writeFileSync(at('c/1.mkv'), whole);
      expect(await again()).toMatchObject({ counts: { ok: 3, rejected: 0 }, remade: 1 });
      expect(files('mended').slice(0, 2)).toEqual(before.slice(0, 2));
      expect(frames('mended')).toEqual([4, 4, 4]);
      expect(await again()).toMatchObject({ remade: 0 });

      await writeFilm(at('b/1.mkv'), { codec: 'ffv1', numFrames: 7 });
      expect(await again()).toMatchObject({ remade: 1 });
      expect(frames('mended')).toEqual([4, 7, 4]);

      rmSync(at('a'), { recursive: true });
      expect(await again()).toMatchObject({ counts: { seen: 2 }, classes: ['b', 'c'] });
      expect(frames('mended')).toEqual([7, 4]);
      expect(files('mended')).toHaveLength(2);

      mkdirSync(at('d'));
      await writeFilm(at('d/1.mkv'), { codec: 'ffv1', numFrames: 9 });
      expect(await again()).toMatchObject({ counts: { seen: 3, ok: 3 } });
      expect(frames('mended')).toEqual([7, 4, 9]);
    });

    it('a video that keeps its size and time, where content is asked for', async () => {
      const { folder, at } = await writeFolder('copied');
      const again = (byContent: boolean, out: string) =>
        prepare(folder, out, { videosPerShard: 1, jobs: 1, byContent });
      const time = new Date(1e12);
      utimesSync(at('b/1.mkv'), time, time);
      await again(true, 'by-content');
      await again(false, 'by-time');
      const bytes = readFileSync(at('b/1.mkv'));
      bytes[bytes.length - 1]! ^= 1;
      writeFileSync(at('b/1.mkv'), bytes);
      utimesSync(at('b/1.mkv'), time, time);
      expect(await again(false, 'by-time')).toMatchObject({ remade: 0 });
      expect(await again(true, 'by-content')).toMatchObject({ remade: 1 });
    });

    it('a video that a raised deadline may let through', async () => {
      const { folder } = await writeFolder('hurried');
      const within = (deadlineSeconds: number) => prepare(folder, 'slow', { deadlineSeconds, maxRejected: 1 });
      await expect(within(0.001)).rejects.toThrow('none of 3 videos can be used');
      expect(await within(300)).toMatchObject({ counts: { ok: 3, rejected: 0 } });
    });

    it('and takes a folder that was moved, but no other videos', async () => {
      const { folder } = await writeFolder('here');
      await prepare(folder, 'moved');
      renameSync(folder, join(root, 'there'));
      expect(await prepare(join(root, 'there'), 'moved')).toMatchObject({ remade: 0 });
      const { folder: other } = await writeFolder('other');
      await expect(prepare(other, 'moved')).rejects.toThrow(/holds shards of other videos .*there, now .*other/);
      expect(frames('moved')).toEqual([4]);
    });
  });

  it('judges what the list lacks by all its rows, and what cannot be decoded by what was', async () => {
    const folder = join(root, 'rows');
    mkdirSync(folder);
    await writeFilm(join(folder, 'film.mkv'), { codec: 'ffv1', numFrames: 2 });
    const rows = Array.from({ length: 600 }, (_, i) => `film.mkv,${i < 12 ? 'wrong' : 0},0.2`);
    writeFileSync(join(folder, 'list.csv'), `path,start,end\n${rows.join('\n')}\n`);
    // 12 of 600 are 2 %; of the first shard's 20 they would be 60 %.
    const { counts } = await prepare(join(folder, 'list.csv'), 'listed', { videosPerShard: 20, maxRejected: 0.02 });
    expect(counts).toMatchObject({ seen: 600, ok: 588, rejected: 12 });
    const strict = prepare(join(folder, 'list.csv'), 'refused', { maxRejected: 0.01 });
    await expect(strict).rejects.toThrow(/12 of 600 videos are rejected, more than 1 %/);
    expect(readdirSync(join(root, 'refused')).sort()).toEqual(['plan.json', 'rejected.jsonl']);
  });

  it('reads videos where they lie in a tar', async () => {
    const tar = pack();
    for (const [name, content] of [
      ['1.mp4', readFileSync(MP4)],
      ['1.cls', 'waves'],
      ['2.webm', readFileSync(WEBM)],
    ] as const) {
      tar.entry({ name }, content as Buffer);
    }
    tar.finalize();
    const file = join(root, 'films.tar');
    writeFileSync(file, await buffer(tar));
    const { counts, classes } = await prepare(file, 'from-tar');
    expect(counts).toMatchObject({ seen: 2, ok: 2 });
    expect(classes).toEqual(['waves', 'unlabelled']);
    const { pixels } = await decodeWhole(MP4, { size: SIZE });
    const bytes = readFileSync(join(root, 'from-tar/shard-00000.bin')).subarray(0, pixels.length);
    expect(Buffer.compare(bytes, pixels)).toBe(0);
  });

  it('makes frames at a rate', async () => {
    const at = (fps: number) => decodeWhole(MP4, { size: SIZE, fps });
    expect([(await at(12)).numFrames, (await at(6)).numFrames]).toEqual([120, 60]);
  });

  it('counts what it cannot use, with the reason of each', async () => {
    const folder = join(root, 'hostile');
    mkdirSync(join(folder, 'directory.mp4'), { recursive: true });
    const put = (name: string, content: string | Uint8Array) => writeFileSync(join(folder, name), content);
    const film = readFileSync(MP4);
    put('good.mp4', film);
    put('webm-named.mp4', readFileSync(WEBM));
    put('empty.mp4', '');
    put('text.mp4', 'no video');
    put('playlist.mp4', `#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\n${MP4}\n#EXT-X-ENDLIST\n`);
    put('cut.mp4', film.subarray(0, film.length / 2)); // its index is at the end
    put('cut.webm', readFileSync(WEBM).subarray(0, 500_000));
    put('picture.mp4', readFileSync(join(FILMS, 'ocean.jpg')));
    symlinkSync('/etc/passwd', join(folder, 'link.mp4'));
    symlinkSync(join(folder, 'nowhere'), join(folder, 'dangling.mp4'));
    expect(spawnSync('mkfifo', [join(folder, 'pipe.mp4')]).status).toBe(0);
    const { counts, rejected } = await prepare(folder, 'survived', { maxRejected: 0.9, maxFrames: 300 });
    expect(counts.ok + counts.short + counts.rejected).toBe(counts.seen);
    expect(counts).toEqual({ seen: 12, ok: 2, short: 1, rejected: 9, skipped: 0 });
    expect(Object.fromEntries(rejected.map(({ path, code }) => [path, code]))).toEqual({
      'dangling.mp4': 'missing',
      'directory.mp4': 'not-a-file',
      'empty.mp4': 'format',
      'text.mp4': 'format',
      'playlist.mp4': 'format',
      'cut.mp4': 'format',
      'picture.mp4': 'format',
      'link.mp4': 'outside',
      'pipe.mp4': 'not-a-file',
    });
    const listed = readFileSync(join(root, 'survived/rejected.jsonl'), 'utf8').trim().split('\n');
    expect(listed.map((line) => JSON.parse(line))).toEqual(rejected);

    await expect(prepare(folder, 'strict')).rejects.toThrow(
      /2 of 12 videos are rejected, more than 5 %[\s\S]*not-a-file: 1/, // the listing tells, before anything is decoded
    );
    await expect(prepare(folder, 'strict', { maxRejected: 0.2 })).rejects.toThrow(
      /9 of 12 videos are rejected, more than 20 %[\s\S]*outside: 1/,
    );
    await expect(prepare(join(folder, 'directory.mp4'), 'none')).rejects.toThrow('there is no video');
    await expect(prepare(folder, 'late', { deadlineSeconds: 0.001, maxRejected: 1 })).rejects.toThrow(
      /none of 12 videos can be used[\s\S]*deadline: /,
    );
    await expect(prepare(folder, 'endless', { maxFrames: 100, maxRejected: 1 })).rejects.toThrow(/too-long: /);
    await expect(prepare(folder, 'few', { minFrames: 500, maxRejected: 1 })).rejects.toThrow(/too-short: /);
  });

  it.each([
    [{ height: 0 }, 'height: expected an integer from 1'],
    [{ fps: -1 }, 'fps: expected'],
    [{ maxRejected: 2 }, 'maxRejected: expected a share'],
  ])('refuses %j', async (change, message) => {
    await expect(prepare(root, 'bad', change)).rejects.toThrow(message);
  });
});
