import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Rejection } from './entry.ts';

/** A video whose frames lie in a shard. */
export interface ShardVideo {
  /** What it was made from. */
  path: string;
  label?: string;
  caption?: string;
  numFrames: number;
  /** Frames per second. */
  fps: number;
  /** Where its first frame begins in the shard's file, in bytes. */
  offset: number;
  /** Has fewer frames than its container promised. */
  isShort: boolean;
}

/** One shard: a file of uint8 frames, [H, W, 3] each, video after video; and what came of the videos it was made from. */
export interface Shard {
  /** Digest of what it was made from. */
  made?: string;
  limits?: ShardLimits;
  /** Its name in the folder. */
  file: string;
  bytes: number;
  sha256: string;
  videos: ShardVideo[];
  rejected: Rejection[];
}

/** What a video could take of its decoder. */
export interface ShardLimits {
  deadlineSeconds: number;
  maxResidentBytes: number;
}

/** index.json, which is written last and makes the folder complete. */
export interface ShardIndex {
  format: 'eflow-shards-1';
  height: number;
  width: number;
  channels: 3;
  /** Labels in the order of their numbers; some may have no video that can be used. */
  classes: string[];
  /** Of a model's clips: it was trained on every n-th frame of its videos, so that one frame here is n there. Absent: these are videos. */
  frameStride?: number;
  shards: Shard[];
  counts: Counts;
}

/** seen = ok + short + rejected + skipped. */
export interface Counts {
  seen: number;
  ok: number;
  short: number;
  rejected: number;
  /** Files that have the name of a video and are none, such as the `._clip.mp4` that macOS writes beside a video. */
  skipped: number;
}

export const INDEX = 'index.json';

/** The class of videos without a label. */
export const UNLABELLED = 'unlabelled';

/**
 * The distinct labels in the order of their class numbers: by value where all are integers (2 before 10; "01" before "1"),
 * else by text. Videos without a label come last, so that they move no other class.
 */
export function orderClasses(labels: Iterable<string>): string[] {
  const distinct = new Set(labels);
  const isUnlabelled = distinct.delete(UNLABELLED);
  const classes = [...distinct].sort();
  if (classes.every((label) => /^[+-]?\d+$/.test(label))) {
    classes.sort((a, b) => Number(BigInt(a) > BigInt(b)) - Number(BigInt(a) < BigInt(b)));
  }
  return isUnlabelled ? [...classes, UNLABELLED] : classes;
}

/** The classes that are listed, without the last one if it is for videos without a label and none such can be used. */
export function keepClasses(listed: readonly string[], shards: readonly Shard[]): string[] {
  const isUsed = shards.some(({ videos }) => videos.some(({ label = UNLABELLED }) => label === UNLABELLED));
  return listed.filter((label) => label !== UNLABELLED || isUsed);
}

export function countVideos(shards: readonly Shard[], rejected: readonly Rejection[], skipped = 0): Counts {
  const videos = shards.flatMap((shard) => shard.videos);
  const short = videos.filter(({ isShort }) => isShort).length;
  const left = allRejected(shards, rejected).length;
  return { seen: videos.length + left + skipped, ok: videos.length - short, short, rejected: left, skipped };
}

/** Those that the listing rejected already, and those of the shards. */
export const allRejected = (shards: readonly Shard[], listed: readonly Rejection[]): Rejection[] => [
  ...listed,
  ...shards.flatMap(({ rejected }) => rejected),
];

/** The frame rate in the middle of those of the videos, in frames per second. */
export function middleFps(shards: readonly Shard[]): number {
  const rates = shards.flatMap(({ videos }) => videos.map(({ fps }) => fps)).sort((a, b) => a - b);
  return rates[Math.floor(rates.length / 2)]!;
}

/** The videos that `prepareVideos` could not use, and why; none in a folder of clips that were written. */
export function readRejected(folder: string): Rejection[] {
  const file = join(folder, 'rejected.jsonl');
  if (!existsSync(file)) return [];
  return readFileSync(file, 'utf8')
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Rejection);
}

/** Throws if the folder holds no complete set of shards. */
export function readIndex(folder: string): ShardIndex {
  const file = join(folder, INDEX);
  if (!existsSync(file)) {
    throw new Error(`${folder} holds no prepared videos (index.json is missing): make them with eflow-data prepare`);
  }
  const index: ShardIndex = JSON.parse(readFileSync(file, 'utf8'));
  if (index.format !== 'eflow-shards-1') {
    throw new Error(`${file} is of the format ${index.format}, not eflow-shards-1: prepare the videos again`);
  }
  return { ...index, counts: { ...index.counts, skipped: index.counts.skipped ?? 0 } };
}
