import { spawnSync } from 'node:child_process';
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createProgress } from '@eflow/cli';
import { prepareVideos, type RejectionCode } from '@eflow/data';
import { registerMediabunnyServer } from '@mediabunny/server';
import fc from 'fast-check';
import {
  AudioSample,
  AudioSampleSource,
  BufferTarget,
  Mp4OutputFormat,
  Output,
  VideoSample,
  VideoSampleSource,
  WebMOutputFormat,
} from 'mediabunny';
import { FILMS } from './films.ts';
import type { Outcome } from './outcome.ts';

const DEADLINE_SECONDS = 20;

/** What must come of a file; `usable`: ok or short. */
type Expected = RejectionCode | 'usable';

/**
 * Hands files of each hostile class, and `mutations` damaged copies of a real film, to `prepareVideos`: it must survive them,
 * end each within the deadline, give each class the verdict that it should have, and count all of them.
 */
export async function attackVideos(mutations: number, seed: number): Promise<Outcome> {
  registerMediabunnyServer();
  const work = mkdtempSync(join(tmpdir(), 'eflow-hostile-'));
  const classes = await writeClasses(join(work, 'classes'));
  const first = await prepare(join(work, 'classes'), join(work, 'classes-out'), () => {});
  const wrong = Object.entries(classes).flatMap(([path, expected]) => {
    const verdict: Expected = first.rejected.find((one) => one.path === path)?.code ?? 'usable';
    return verdict === expected ? [] : [`${path}: ${verdict}, expected ${expected}`];
  });

  writeMutations(join(work, 'mutations'), mutations, seed);
  const progress = createProgress(mutations, 'damaged films', { stays: true });
  let longest = 0;
  let last = performance.now();
  const second = await prepare(join(work, 'mutations'), join(work, 'mutations-out'), (done) => {
    longest = Math.max(longest, (performance.now() - last) / 1000);
    last = performance.now();
    progress.update(done);
  }).finally(() => progress.end());
  rmSync(work, { recursive: true });

  const adds = [first, second].every(({ counts: { ok, short, rejected, seen } }) => ok + short + rejected === seen);
  const complete = first.counts.seen === Object.keys(classes).length && second.counts.seen === mutations;
  // Two are decoded at once, and one may wait for a process that is killed and started again.
  const hangs = longest > DEADLINE_SECONDS + 5 ? 1 : 0;
  const countCode = (code: RejectionCode) =>
    [...first.rejected, ...second.rejected].filter((one) => one.code === code).length;
  const codes = [...new Set(second.rejected.map(({ code }) => code))].sort();
  const rejections = codes.map((code) => `${code} ${second.rejected.filter((one) => one.code === code).length}`);
  for (const line of wrong) console.log(line);
  return {
    figures: [
      `videos: ${Object.keys(classes).length} hostile classes, wrong verdicts: ${wrong.length}`,
      `videos: ${second.counts.seen} damaged films = ${second.counts.ok} ok + ${second.counts.short} short + ${second.counts.rejected} rejected (${rejections.join(', ')}); the longest took ${longest.toFixed(1)} s`,
      `videos: decoders that crashed ${countCode('crash')}, were killed at the deadline ${countCode('deadline')}; past the deadline ${hangs}; counts ${adds && complete ? 'add up' : 'do NOT add up'}`,
    ],
    failed: wrong.length > 0 || hangs > 0 || !adds || !complete,
  };
}

async function prepare(path: string, out: string, onVideo: (done: number) => void) {
  return prepareVideos({
    source: { path },
    out,
    height: 32,
    width: 32,
    jobs: 2,
    maxRejected: 1,
    deadlineSeconds: DEADLINE_SECONDS,
    maxFrames: 1000,
    onProgress: ({ done }) => onVideo(done),
  });
}

async function writeClasses(folder: string): Promise<Record<string, Expected>> {
  mkdirSync(folder, { recursive: true });
  const at = (name: string) => join(folder, name);
  const [mp4, webm] = [readFileSync(FILMS.mp4), readFileSync(FILMS.webm)];
  const verdicts: Record<string, Expected> = {};
  const put = (name: string, content: string | Uint8Array, expected: Expected) => {
    writeFileSync(at(name), content);
    verdicts[name] = expected;
  };
  put('whole.mp4', mp4, 'usable');
  put('zero-length.mp4', '', 'format');
  put('text.mp4', 'not a video at all\n'.repeat(100), 'format');
  put(
    'random.mp4',
    Buffer.from(fc.sample(fc.uint8Array({ minLength: 60_000, maxLength: 60_000 }), { numRuns: 1, seed: 1 })[0]!),
    'format',
  );
  put('webm-named.mp4', webm, 'usable');
  put('mp4-named.avi', mp4, 'usable');
  put('cut-before-its-index.mp4', mp4.subarray(0, mp4.length / 2), 'format');
  put('cut.webm', webm.subarray(0, webm.length / 2), 'usable');
  put('header-flipped.mp4', flipHeader(mp4), 'format');
  put('picture.mp4', readFileSync(FILMS.picture), 'format');
  const playlist = (target: string) => `#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:10,\n${target}\n#EXT-X-ENDLIST\n`;
  put('playlist.mp4', playlist(at('whole.mp4')), 'format');
  put('concat-script.mp4', `ffconcat version 1.0\nfile '${at('whole.mp4')}'\n`, 'format');
  put('large-header.avi', makeHugeAvi(9_000), 'too-many-pixels');
  put('huge-header.avi', makeHugeAvi(16_384), 'format'); // FFmpeg itself refuses those

  put('box-of-2-to-62-bytes.mp4', hugeBox(mp4), 'no-video');
  put('track-that-says-it-is-sound.mp4', renameTrack(mp4), 'format');
  put('sound-alone.webm', await encodeSound(), 'no-video');
  put('variable-rate.webm', await encode({ width: 48, height: 32, times: [0, 0.04, 0.5, 0.51, 0.52, 1.4] }), 'usable');
  put('odd-sizes.webm', await encode({ width: 33, height: 17, times: [0, 0.1, 0.2] }), 'usable');
  put('one-frame.mp4', await encode({ width: 64, height: 48, times: [0], isMp4: true }), 'usable');
  symlinkSync('/etc/passwd', at('link-out.mp4'));
  symlinkSync('/dev/zero', at('link-to-device.mp4'));
  symlinkSync(at('nowhere'), at('dangling.mp4'));
  mkdirSync(at('folder.mp4'));
  spawnSync('mkfifo', [at('pipe.mp4')]);
  copyFileSync(FILMS.mp4, join(folder, '..', 'outside.mp4'));
  symlinkSync(join(folder, '..', 'outside.mp4'), at('link-to-neighbour.mp4'));
  return {
    ...verdicts,
    'link-out.mp4': 'outside',
    'link-to-device.mp4': 'outside',
    'link-to-neighbour.mp4': 'outside',
    'dangling.mp4': 'missing',
    'folder.mp4': 'not-a-file',
    'pipe.mp4': 'not-a-file',
  };
}

/** All bits of the first box's header. */
function flipHeader(film: Uint8Array): Uint8Array {
  const flipped = film.slice();
  for (let i = 0; i < 8; i++) flipped[i] = flipped[i]! ^ 0xff;
  return flipped;
}

/** An AVI of raw frames whose header says that they have `side` pixels to a side, and whose only one has 16 bytes. */
function makeHugeAvi(side: number): Uint8Array {
  const words = (...values: number[]) => {
    const bytes = Buffer.alloc(4 * values.length);
    for (const [i, value] of values.entries()) bytes.writeUInt32LE(value, 4 * i);
    return bytes;
  };
  const chunk = (name: string, ...parts: Uint8Array[]) => {
    const content = Buffer.concat(parts);
    return Buffer.concat([Buffer.from(name), words(content.length), content]);
  };
  const list = (name: string, ...parts: Uint8Array[]) => chunk('LIST', Buffer.from(name), ...parts);
  const main = chunk('avih', words(40_000, 0, 0, 0, 1, 0, 1, 0, side, side, 0, 0, 0, 0));
  const stream = chunk('strh', Buffer.from('vidsDIB '), words(0, 0, 0, 1, 25, 0, 1, 0, 0, 0, 0, 0));
  const format = chunk('strf', words(40, side, side, 1 | (24 << 16), 0, 3 * side * side, 0, 0, 0, 0));
  const header = list('hdrl', main, list('strl', stream, format));
  return chunk('RIFF', Buffer.from('AVI '), header, list('movi', chunk('00db', Buffer.alloc(16))));
}

/** The film whose first box says that it has 2^62 bytes. */
function hugeBox(film: Uint8Array): Uint8Array {
  const box = Buffer.alloc(16);
  box.writeUInt32BE(1, 0);
  box.write('moov', 4);
  box.writeBigUInt64BE(2n ** 62n, 8);
  return Buffer.concat([box, film]);
}

/** The film whose video track says that it is sound. */
function renameTrack(film: Uint8Array): Uint8Array {
  const changed = Buffer.from(film);
  for (let i = changed.indexOf('vide'); i >= 0; i = changed.indexOf('vide', i + 1)) changed.write('soun', i);
  return changed;
}

async function encode(spec: { width: number; height: number; times: number[]; isMp4?: boolean }): Promise<Uint8Array> {
  const { width, height, times, isMp4 = false } = spec;
  const target = new BufferTarget();
  const output = new Output({ format: isMp4 ? new Mp4OutputFormat() : new WebMOutputFormat(), target });
  const source = new VideoSampleSource({
    codec: isMp4 ? 'avc' : 'vp8',
    bitrate: 200_000,
    hardwareAcceleration: 'prefer-software',
  });
  output.addVideoTrack(source);
  await output.start();
  for (const [i, timestamp] of times.entries()) {
    const pixels = new Uint8Array(width * height * 4).fill(20 + 30 * i);
    const duration = (times[i + 1] ?? timestamp + 0.1) - timestamp;
    const sample = new VideoSample(pixels, {
      format: 'RGBA',
      codedWidth: width,
      codedHeight: height,
      timestamp,
      duration,
    });
    await source.add(sample);
    sample.close();
  }
  await output.finalize();
  return new Uint8Array(target.buffer!);
}

async function encodeSound(): Promise<Uint8Array> {
  const target = new BufferTarget();
  const output = new Output({ format: new WebMOutputFormat(), target });
  const source = new AudioSampleSource({ codec: 'opus', bitrate: 64_000 });
  output.addAudioTrack(source);
  await output.start();
  const data = Float32Array.from({ length: 48_000 }, (_, i) => Math.sin(i / 20));
  const sample = new AudioSample({ data, format: 'f32', numberOfChannels: 1, sampleRate: 48_000, timestamp: 0 });
  await source.add(sample);
  sample.close();
  await output.finalize();
  return new Uint8Array(target.buffer!);
}

type Damage =
  | { kind: 'bytes'; places: { at: number; value: number }[] }
  | { kind: 'header'; places: { at: number; value: number }[] }
  | { kind: 'cut'; at: number }
  | { kind: 'remove'; at: number; bytes: number };

const place = (max: number) => fc.record({ at: fc.nat({ max }), value: fc.nat({ max: 255 }) });
/** Without fast-check's preference for small numbers: damage would fall on the header alone. */
const damage: fc.Arbitrary<Damage> = fc.noBias(
  fc.oneof(
    fc.record({
      kind: fc.constant('bytes' as const),
      places: fc.array(place(2 ** 24), { minLength: 1, maxLength: 500 }),
    }),
    fc.record({ kind: fc.constant('header' as const), places: fc.array(place(4095), { minLength: 1, maxLength: 8 }) }),
    fc.record({ kind: fc.constant('cut' as const), at: fc.nat({ max: 2 ** 24 }) }),
    fc.record({ kind: fc.constant('remove' as const), at: fc.nat({ max: 2 ** 24 }), bytes: fc.nat({ max: 5000 }) }),
  ),
);

/** Damaged copies of both films, in turn. */
function writeMutations(folder: string, count: number, seed: number): void {
  mkdirSync(folder);
  const films = (['mp4', 'webm'] as const).map((ending) => ({ ending, bytes: readFileSync(FILMS[ending]) }));
  for (const [i, one] of fc.sample(damage, { numRuns: count, seed }).entries()) {
    const { ending, bytes } = films[i % 2]!;
    writeFileSync(join(folder, `${String(i).padStart(4, '0')}.${ending}`), applyDamage(bytes, one));
  }
}

function applyDamage(film: Uint8Array, one: Damage): Uint8Array {
  const i = 'at' in one ? one.at % film.length : 0;
  switch (one.kind) {
    case 'bytes':
    case 'header': {
      const changed = film.slice();
      for (const { at, value } of one.places) changed[at % film.length] = value;
      return changed;
    }
    case 'cut':
      return film.subarray(0, i);
    case 'remove':
      return Buffer.concat([film.subarray(0, i), film.subarray(i + one.bytes)]);
  }
}
