import { createHash } from 'node:crypto';
import {
  closeSync,
  existsSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeSync,
} from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { sync as writeFileAtomically } from 'write-file-atomic';
import { type DecodedVideo, requireFFmpeg } from './decode.ts';
import { decodeEntry, MAX_RESIDENT_BYTES } from './decode-entry.ts';
import { createDecoderPool } from './decoder-pool.ts';
import { nameOf, type Rejection, type VideoEntry } from './entry.ts';
import { findVideos, type VideoSource } from './find-videos.ts';
import {
  allRejected,
  type Counts,
  countVideos,
  INDEX,
  orderClasses,
  type Shard,
  type ShardIndex,
  type ShardVideo,
  UNLABELLED,
} from './shards.ts';
import { VIDEO_ENDINGS } from './video-endings.ts';

export interface PrepareOptions {
  source: VideoSource;
  /** A folder for the shards; one that an interrupted call left is gone on with. */
  out: string;
  /** Of the frames, pixels. */
  height: number;
  width: number;
  /** The videos' own unless given. */
  fps?: number;
  /** A video of fewer is rejected; 1 unless given. */
  minFrames?: number;
  /** One of more is rejected; 10,000 unless given. */
  maxFrames?: number;
  /** Videos of a shard; 256 unless given. */
  videosPerShard?: number;
  /** Processes; as many as there are cores unless given. */
  jobs?: number;
  /** Of decoding one video; 30 unless given. */
  deadlineSeconds?: number;
  /** Share of the videos seen that may be rejected; 0.05 unless given. */
  maxRejected?: number;
  onProgress?: (progress: { done: number; total: number; rejected: number }) => void;
}

export interface Prepared {
  counts: Counts;
  classes: string[];
  rejected: Rejection[];
}

/** Before that many videos a few bad ones would be too large a share. */
const LEAST_TO_JUDGE = 20;
/** Videos that are decoded ahead of the one that is written, for each process: bounds the memory. */
const AHEAD = 2;

/**
 * Decodes a dataset's videos, brings them to one size, and writes them as shards of uint8 frames with an index, in an order
 * that is the same each time; files that cannot be used are listed in rejected.jsonl with their reasons. A call that was
 * interrupted is gone on with by the same call: finished shards stay. Throws if the folder holds something else or shards
 * made otherwise, if more than `maxRejected` of the videos are rejected, and if none can be used; says why.
 */
export async function prepareVideos(options: PrepareOptions): Promise<Prepared> {
  const { source, out, height, width, videosPerShard = 256, jobs = availableParallelism(), onProgress } = options;
  checkOptions(options);
  await requireFFmpeg();
  const { root, entries, rejected } = await findVideos(source);
  const plan = {
    height,
    width,
    fps: options.fps ?? null,
    minFrames: options.minFrames ?? 1,
    maxFrames: maxFramesOf(options),
    videosPerShard,
  };
  enterFolder(out, { ...plan, videos: digest(JSON.stringify(entries)) });

  const pool = createDecoderPool({
    ...{ jobs, deadlineSeconds: options.deadlineSeconds ?? 30, maxResidentBytes: MAX_RESIDENT_BYTES },
  });
  const how = {
    ...{ size: { height, width }, maxFrames: maxFramesOf(options), minFrames: options.minFrames ?? 1 },
    ...(options.fps !== undefined && { fps: options.fps }),
  };
  const shards: Shard[] = [];
  const total = entries.length;
  const report = () =>
    onProgress?.({ done: countVideos(shards, []).seen, total, rejected: countVideos(shards, rejected).rejected });
  try {
    for (let first = 0; first < total; first += videosPerShard) {
      const name = `shard-${String(first / videosPerShard).padStart(5, '0')}`;
      const part = join(out, `${name}.json`);
      if (existsSync(part)) shards.push(JSON.parse(readFileSync(part, 'utf8')));
      else {
        const shard = await writeShard(out, name, entries.slice(first, first + videosPerShard), (done, bad) => {
          const { seen, rejected: before } = countVideos(shards, rejected);
          onProgress?.({ done: seen - rejected.length + done, total, rejected: before + bad });
        });
        writeFileAtomically(part, JSON.stringify(shard));
        shards.push(shard);
      }
      report();
      judge(shards, rejected, options, first + videosPerShard >= total);
    }
    if (total === 0) judge(shards, rejected, options, true);
  } finally {
    pool.close();
    writeFileAtomically(
      join(out, 'rejected.jsonl'),
      allRejected(shards, rejected)
        .map((one) => `${JSON.stringify(one)}\n`)
        .join(''),
    );
  }
  const videos = shards.flatMap((shard) => shard.videos);
  const classes = orderClasses(videos.map(({ label }) => label ?? UNLABELLED));
  const counts = countVideos(shards, rejected);
  const index: ShardIndex = { format: 'eflow-shards-1', height, width, channels: 3, classes, shards, counts };
  writeFileAtomically(join(out, INDEX), `${JSON.stringify(index)}\n`);
  return { counts, classes, rejected: allRejected(shards, rejected) };

  async function writeShard(
    folder: string,
    name: string,
    part: readonly VideoEntry[],
    onVideo: (done: number, rejectedSoFar: number) => void,
  ): Promise<Shard> {
    const file = `${name}.bin`;
    const temporary = join(folder, `${file}.tmp`);
    const handle = openSync(temporary, 'w');
    const hash = createHash('sha256');
    const videos: ShardVideo[] = [];
    const bad: Rejection[] = [];
    let offset = 0;
    const ahead: Promise<DecodedVideo | Rejection>[] = [];
    let next = 0;
    try {
      for (const [i, entry] of part.entries()) {
        while (next < part.length && next < i + AHEAD * jobs) ahead.push(decodeEntry(pool, root, part[next++]!, how));
        const video = await ahead.shift()!;
        if ('code' in video) bad.push(video);
        else {
          const { pixels, numFrames, expectedFrames, fps } = video;
          for (let done = 0; done < pixels.length; ) done += writeSync(handle, pixels, done, pixels.length - done);
          hash.update(pixels);
          videos.push({
            path: nameOf(entry),
            ...(entry.label !== undefined && { label: entry.label }),
            ...(entry.caption !== undefined && { caption: entry.caption }),
            ...{ numFrames, fps, offset, isShort: numFrames + 1 < expectedFrames },
          });
          offset += pixels.length;
        }
        onVideo(i + 1, bad.length);
      }
      fsyncSync(handle);
    } finally {
      closeSync(handle);
    }
    renameSync(temporary, join(folder, file));
    return { file, bytes: offset, sha256: hash.digest('hex'), videos, rejected: bad };
  }
}

const maxFramesOf = ({ maxFrames = 10_000 }: PrepareOptions) => maxFrames;

/** Throws if too many videos are rejected so far, or, in the end, none is left. */
function judge(
  shards: readonly Shard[],
  rejected: readonly Rejection[],
  { out, maxRejected = 0.05 }: PrepareOptions,
  isEnd: boolean,
): void {
  const counts = countVideos(shards, rejected);
  const usable = counts.ok + counts.short;
  const reasons = allRejected(shards, rejected);
  const summary = () => {
    const codes = [...new Set(reasons.map(({ code }) => code))];
    const lines = codes.map((code) => {
      const those = reasons.filter((one) => one.code === code);
      return `  ${code}: ${those.length}, such as ${those[0]!.path}: ${those[0]!.problem}`;
    });
    return `\n${lines.join('\n')}\nAll of them: ${join(out, 'rejected.jsonl')}`;
  };
  if (isEnd && usable === 0) {
    if (reasons.length === 0)
      throw new Error(`there is no video: files that end with ${VIDEO_ENDINGS.join(', ')} are looked for`);
    throw new Error(`none of ${counts.seen} videos can be used:${summary()}`);
  }
  if ((isEnd || counts.seen >= LEAST_TO_JUDGE) && counts.rejected > maxRejected * counts.seen) {
    throw new Error(
      `${counts.rejected} of ${counts.seen} videos are rejected, more than ${100 * maxRejected} %; ` +
        `mend or remove them, or allow more with maxRejected (--max-rejected):${summary()}`,
    );
  }
}

/** Makes the folder, or goes on with one of the same plan. */
function enterFolder(out: string, plan: object): void {
  const file = join(out, 'plan.json');
  const text = JSON.stringify(plan);
  const names = existsSync(out) ? readdirSync(out) : [];
  if (names.length > 0 && !existsSync(file)) {
    throw new Error(`${out} holds something else: give a new folder with --out`);
  }
  if (existsSync(file) && readFileSync(file, 'utf8') !== text) {
    throw new Error(
      `${out} holds shards of other videos or settings (${readFileSync(file, 'utf8')}, now ${text}): remove it, or give a new folder with --out`,
    );
  }
  mkdirSync(out, { recursive: true });
  writeFileAtomically(file, text);
  for (const name of names.filter((one) => one.endsWith('.tmp'))) rmSync(join(out, name));
  for (const name of names.filter((one) => /^shard-\d+\.json$/.test(one))) {
    const { file: bin, bytes }: Shard = JSON.parse(readFileSync(join(out, name), 'utf8'));
    const path = join(out, bin);
    if (!existsSync(path) || statSync(path).size !== bytes) rmSync(join(out, name)); // it is made again
  }
}

function checkOptions({ height, width, fps, jobs, maxRejected = 0, minFrames, videosPerShard }: PrepareOptions): void {
  const counts = { height, width, jobs: jobs ?? 1, minFrames: minFrames ?? 1, videosPerShard: videosPerShard ?? 1 };
  for (const [name, value] of Object.entries(counts)) {
    if (!(Number.isInteger(value) && value >= 1 && value <= 65_535)) {
      throw new Error(`${name}: expected an integer from 1 to 65535, got ${value}`);
    }
  }
  if (fps !== undefined && !(fps > 0 && fps <= 1000))
    throw new Error(`fps: expected at most 1000 frames per second, got ${fps}`);
  if (!(maxRejected >= 0 && maxRejected <= 1))
    throw new Error(`maxRejected: expected a share from 0 to 1, got ${maxRejected}`);
}

function digest(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}
