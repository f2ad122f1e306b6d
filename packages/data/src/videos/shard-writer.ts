import { createHash, type Hash } from 'node:crypto';
import { closeSync, fsyncSync, openSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { type DecodeEntryOptions, decodeEntry } from './decode-entry.ts';
import type { DecodedFrames } from './decode-options.ts';
import type { DecoderPool } from './decoder-pool.ts';
import { nameOf, type Rejection } from './entry.ts';
import { readPieces, writeFully } from './file-pieces.ts';
import type { PlannedShard } from './prepare-plan.ts';
import type { Shard, ShardVideo } from './shards.ts';

export interface ShardWriterOptions {
  pool: DecoderPool;
  /** The shards' folder. */
  out: string;
  /** What the entries' paths begin at. */
  root: string;
  how: DecodeEntryOptions;
  /** Videos that are decoded ahead of the one that is written. */
  ahead: number;
  /** Told after every video, and now and then while one is decoded, of the videos and frames of this shard so far. */
  onProgress: (progress: { done: number; rejected: number; frames: number }) => void;
}

/**
 * Decodes the videos of a shard, each into a temporary file, and puts them one after the other into the shard's, so that no video is
 * ever held in memory. Throws if the disk is full.
 */
export async function writeShard(
  { name, entries, made }: PlannedShard,
  { pool, out, root, how, ahead, onProgress }: ShardWriterOptions,
): Promise<Omit<Shard, 'limits'>> {
  const file = `${name}.bin`;
  const temporary = join(out, `${file}.tmp`);
  const handle = openSync(temporary, 'w');
  const hash = createHash('sha256');
  const videos: ShardVideo[] = [];
  const rejected: Rejection[] = [];
  const started: Promise<DecodedFrames | Rejection>[] = [];
  const partOf = (i: number) => join(out, `${name}.${i}.tmp`);
  const framesOf = entries.map(() => 0);
  const report = (done: number) =>
    onProgress({ done, rejected: rejected.length, frames: framesOf.reduce((a, b) => a + b, 0) });
  const start = (i: number) => {
    const decodeTo: Parameters<typeof decodeEntry>[0] = (source, options) =>
      pool.decodeTo(partOf(i), source, options, (frames) => {
        framesOf[i] = frames;
        report(videos.length + rejected.length);
      });
    const decoded = decodeEntry(decodeTo, root, entries[i]!, how);
    decoded.catch(() => {}); // it is awaited when its turn comes
    return decoded;
  };
  let offset = 0;
  try {
    for (const [i, entry] of entries.entries()) {
      while (started.length < entries.length && started.length < i + ahead) started.push(start(started.length));
      const video = await started[i]!;
      if ('code' in video) rejected.push(video);
      else {
        const bytes = append(partOf(i), handle, hash);
        const { numFrames, expectedFrames, fps } = video;
        framesOf[i] = numFrames;
        videos.push({
          path: nameOf(entry),
          label: entry.label,
          caption: entry.caption,
          numFrames,
          fps,
          offset,
          isShort: numFrames + 1 < expectedFrames,
        });
        offset += bytes;
      }
      rmSync(partOf(i), { force: true });
      report(i + 1);
    }
    fsyncSync(handle);
  } finally {
    closeSync(handle);
  }
  renameSync(temporary, join(out, file));
  return { made, file, bytes: offset, sha256: hash.digest('hex'), videos, rejected };
}

/** Appends a file to an open one, and to the hash of that; returns its bytes. */
function append(file: string, target: number, hash: Hash): number {
  let bytes = 0;
  for (const piece of readPieces(file)) {
    hash.update(piece);
    writeFully(target, piece);
    bytes += piece.length;
  }
  return bytes;
}
