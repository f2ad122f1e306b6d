import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { sync as writeFileAtomically } from 'write-file-atomic';
import { checkInteger } from '../check.ts';
import { MAX_RESIDENT_BYTES } from './decode-entry.ts';
import { createDecoderPool } from './decoder-pool.ts';
import type { Rejection } from './entry.ts';
import { requireFFmpeg } from './ffmpeg.ts';
import { findVideos, type VideoSource } from './find-videos.ts';
import { enterFolder } from './prepare-plan.ts';
import { writeShard } from './shard-writer.ts';
import { allRejected, type Counts, countVideos, INDEX, keepClasses, type Shard, type ShardIndex } from './shards.ts';
import { VIDEO_ENDINGS } from './video-endings.ts';

export interface PrepareOptions {
  source: VideoSource;
  /** A folder for the shards; one that an interrupted call left is gone on with. */
  out: string;
  /** Pixels of the frames. */
  height: number;
  width: number;
  /** Frames per second; the videos' own unless given. */
  fps?: number;
  /** A video of fewer is rejected; 1 unless given. */
  minFrames?: number;
  /** A video of more is rejected; 10,000 unless given. */
  maxFrames?: number;
  /** Videos of a shard; 256 unless given. */
  videosPerShard?: number;
  /** Processes; as many as there are cores unless given. */
  jobs?: number;
  /** How long a video may take until its next frame; 30 unless given. */
  deadlineSeconds?: number;
  /** Share of the videos seen that may be rejected; 0.05 unless given. */
  maxRejected?: number;
  /** Tells changed files by a hash of their content, not by size and time, which a copy may keep; false unless given. */
  byContent?: boolean;
  onProgress?: (progress: PrepareProgress) => void;
}

interface PrepareProgress {
  /** Videos, of `total`. */
  done: number;
  total: number;
  rejected: number;
  /** Frames that were decoded by this call. */
  frames: number;
}

export interface Prepared {
  counts: Counts;
  classes: string[];
  rejected: Rejection[];
  /** Shards that were there and have been made again, as their videos have changed or may now be usable. */
  remade: number;
  /** How many files of the source are no videos by their names, by the endings of these. */
  others: Record<string, number>;
}

/** Before that many videos a few bad ones would be too large a share. */
const LEAST_TO_JUDGE = 20;
/** Videos that are decoded ahead of the one that is written, for each process. */
const AHEAD = 2;

/**
 * Decodes a dataset's videos, brings them to one size, and writes them as shards of uint8 frames with an index, in an order
 * that is the same each time; files that cannot be used are listed in rejected.jsonl with their reasons. The same call goes on with
 * what an interrupted one left, and makes those shards again whose videos have changed since, by size and time. Memory does not
 * depend on how long videos are. Throws if the folder holds something else or shards made otherwise, if more than `maxRejected` of
 * the videos are rejected, by the listing before anything is decoded, and if none can be used; says why.
 */
export async function prepareVideos(options: PrepareOptions): Promise<Prepared> {
  const { source, out, height, width, videosPerShard = 256, jobs = availableParallelism(), onProgress } = options;
  const { fps, minFrames = 1, maxFrames = 10_000, deadlineSeconds = 30, byContent = false } = options;
  checkOptions(options);
  await requireFFmpeg();
  const { root, entries, rejected, skipped, others, classes: listed } = await findVideos(source);
  const limits = { deadlineSeconds, maxResidentBytes: MAX_RESIDENT_BYTES };
  const planned = enterFolder(out, root, entries, {
    source,
    videosPerShard,
    byContent,
    limits,
    settings: { height, width, fps: fps ?? null, minFrames, maxFrames, videosPerShard },
  });
  const shards: Shard[] = [];
  let frames = 0;
  /** Tells of the finished shards and what there is of the next one. */
  const createReport = () => {
    const finished = countVideos(shards, rejected);
    return (now = { done: 0, rejected: 0, frames: 0 }) =>
      onProgress?.({
        done: finished.seen - rejected.length + now.done,
        total: entries.length,
        rejected: finished.rejected + now.rejected,
        frames: frames + now.frames,
      });
  };
  const pool = createDecoderPool({ jobs, ...limits });
  try {
    judge(rejected, rejected.length + entries.length, options);
    for (const plan of planned) {
      const report = createReport();
      report();
      if (plan.done) shards.push(plan.done);
      else {
        const how = { size: { height, width }, maxFrames, minFrames, fps };
        const shard = {
          ...(await writeShard(plan, { pool, out, root, how, ahead: AHEAD * jobs, onProgress: report })),
          limits,
        };
        writeFileAtomically(join(out, `${plan.name}.json`), JSON.stringify(shard));
        shards.push(shard);
        frames += shard.videos.reduce((sum, { numFrames }) => sum + numFrames, 0);
      }
      const { seen } = countVideos(shards, []);
      if (seen >= LEAST_TO_JUDGE) judge(allRejected(shards, []), seen, options);
    }
    createReport()();
    const { seen, ok, short } = countVideos(shards, rejected);
    judge(allRejected(shards, rejected), seen, options);
    if (ok + short === 0) throw noneUsable(allRejected(shards, rejected), seen, out);
  } finally {
    pool.close();
    writeFileAtomically(
      join(out, 'rejected.jsonl'),
      allRejected(shards, rejected)
        .map((one) => `${JSON.stringify(one)}\n`)
        .join(''),
    );
  }
  const counts = countVideos(shards, rejected, skipped);
  const classes = keepClasses(listed, shards);
  const index: ShardIndex = { format: 'eflow-shards-1', height, width, channels: 3, classes, shards, counts };
  writeFileAtomically(join(out, INDEX), `${JSON.stringify(index)}\n`);
  const remade = planned.filter(({ isStale }) => isStale).length;
  return { counts, classes, rejected: allRejected(shards, rejected), others, remade };
}

/** Throws if too many of the videos seen are rejected. */
function judge(rejected: readonly Rejection[], seen: number, { out, maxRejected = 0.05 }: PrepareOptions): void {
  if (rejected.length <= maxRejected * seen) return;
  throw new Error(
    `${rejected.length} of ${seen} videos are rejected, more than ${100 * maxRejected} %; ` +
      `mend or remove them, or allow more with maxRejected (--max-rejected), then start this again:${summarise(rejected, out)}`,
  );
}

function noneUsable(rejected: readonly Rejection[], seen: number, out: string): Error {
  if (seen > 0) return new Error(`none of ${seen} videos can be used:${summarise(rejected, out)}`);
  return new Error(`there is no video: files that end with ${VIDEO_ENDINGS.join(', ')} are looked for`);
}

/** The reasons, each with the number of videos and the first one. */
function summarise(rejected: readonly Rejection[], out: string): string {
  const codes = [...new Set(rejected.map(({ code }) => code))];
  const lines = codes.map((code) => {
    const those = rejected.filter((one) => one.code === code);
    return `  ${code}: ${those.length}, such as ${those[0]!.path}: ${those[0]!.problem}`;
  });
  return `\n${lines.join('\n')}\nAll of them: ${join(out, 'rejected.jsonl')}`;
}

function checkOptions(options: PrepareOptions): void {
  const {
    height,
    width,
    fps,
    jobs = 1,
    maxRejected = 0,
    minFrames = 1,
    maxFrames = 10_000,
    videosPerShard = 1,
  } = options;
  for (const [name, value] of Object.entries({ height, width, jobs, minFrames, maxFrames, videosPerShard })) {
    checkInteger(name, value, 1, name === 'maxFrames' ? Number.MAX_SAFE_INTEGER : 65_535);
  }
  if (minFrames > maxFrames) {
    throw new Error(
      `minFrames is ${minFrames} and maxFrames ${maxFrames}: no video has so many frames; set --min-frames to at most --max-frames`,
    );
  }
  const { deadlineSeconds = 1 } = options;
  if (!(deadlineSeconds > 0)) throw new Error(`deadlineSeconds: expected more than 0, got ${deadlineSeconds}`);
  if (fps !== undefined && !(fps > 0 && fps <= 1000))
    throw new Error(`fps: expected at most 1000 frames per second, got ${fps}`);
  if (!(maxRejected >= 0 && maxRejected <= 1))
    throw new Error(`maxRejected: expected a share from 0 to 1, got ${maxRejected}`);
}
