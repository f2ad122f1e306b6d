import { createHash, type Hash, randomBytes } from 'node:crypto';
import { closeSync, existsSync, mkdirSync, openSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { type Clips, clipBytes } from '@eflow/tensor/clips';
import { checkCount } from '../check.ts';
import { writeFully } from './file-pieces.ts';
import { INDEX, orderClasses, type Shard, type ShardIndex, type ShardVideo, UNLABELLED } from './shards.ts';

interface ClipTimes {
  /** Frames per second; 8 unless given. */
  fps?: number;
  /** Which frames of a video the clips stand for, as those do that their model was trained on: every n-th; 1 unless given. */
  frameStride?: number;
}

export interface WriteClipsOptions extends ClipTimes {
  /** The class of every clip; none unless given. */
  labels?: readonly string[];
}

export interface ClipWriterOptions extends ClipTimes {
  /** The names of all classes in the order of their numbers; those that clips have, in order, unless given. */
  classes?: readonly string[];
  /** A shard's file is ended once it is as large; 1 GiB unless given. */
  shardBytes?: number;
}

/** Writes clips batch by batch. Until `finish` nothing stands in the folder's place. */
export interface ClipWriter {
  /**
   * Appends clips, each with its label where there are any. Throws if pixels do not fill the shape, on channels other than 1
   * or 3, on labels that are not as many as clips or not among the given classes, and on frames of another size than before.
   */
  add(clips: Clips, labels?: readonly string[]): void;
  /** Writes the index and puts the folder in its place. Throws if there is no clip. */
  finish(): void;
  /** Removes what was written, unless it is finished. */
  abort(): void;
}

/**
 * A writer of clips as `prepareVideos` writes videos, without the loss of a codec: `openVideos` reads them, and so do those who
 * measure them. Grey pixels become RGB. The clips go into a temporary folder beside `folder`, one writer at a time; what a
 * killed one left there is removed. Throws if `folder` holds anything, or cannot be made.
 */
export function createClipWriter(
  folder: string,
  { fps = 8, frameStride = 1, classes: known, shardBytes = 2 ** 30 }: ClipWriterOptions = {},
): ClipWriter {
  checkCount('frameStride', frameStride);
  const temporary = openTemporary(folder);
  const shards: Shard[] = [];
  const classes = new Set<string>();
  let open: { handle: number; hash: Hash; shard: Shard } | undefined;
  let frame: { height: number; width: number } | undefined;
  let written = 0;

  function closeShard(): void {
    if (!open) return;
    closeSync(open.handle);
    shards.push({ ...open.shard, sha256: open.hash.digest('hex') });
    open = undefined;
  }

  function append(pixels: Uint8Array, video: Omit<ShardVideo, 'offset'>): void {
    if (!open) {
      const file = `shard-${String(shards.length).padStart(5, '0')}.bin`;
      const shard: Shard = { file, bytes: 0, sha256: '', videos: [], rejected: [] };
      open = { handle: openSync(join(temporary, file), 'wx'), hash: createHash('sha256'), shard };
    }
    const { handle, hash, shard } = open;
    writeFully(handle, pixels);
    hash.update(pixels);
    shard.videos.push({ ...video, offset: shard.bytes });
    shard.bytes += pixels.length;
    if (shard.bytes >= shardBytes) closeShard();
  }

  return {
    add(clips, labels) {
      const [count, numFrames, height, width, channels] = clips.shape;
      if (channels !== 1 && channels !== 3) {
        throw new Error(`writeClips: frames have ${channels} channels; expected 1 or 3`);
      }
      const size = clipBytes('writeClips', clips);
      if (labels && labels.length !== count) {
        throw new Error(`writeClips: ${labels.length} labels for ${count} clips`);
      }
      const stranger = known && (labels ?? [UNLABELLED]).find((label) => !known.includes(label));
      if (stranger !== undefined) throw new Error(`writeClips: no class '${stranger}' among ${known!.join(', ')}`);
      frame ??= { height, width };
      if (frame.height !== height || frame.width !== width) {
        throw new Error(`writeClips: frames of ${height}x${width} after those of ${frame.height}x${frame.width}`);
      }
      for (let i = 0; i < count; i++) {
        const pixels = clips.pixels.subarray(i * size, (i + 1) * size);
        const label = labels?.[i];
        classes.add(label ?? UNLABELLED);
        append(channels === 3 ? pixels : toRgb(pixels), {
          path: `clip-${String(written++).padStart(6, '0')}`,
          label,
          numFrames,
          fps,
          isShort: false,
        });
      }
    },
    finish() {
      if (!frame) throw new Error(`${folder}: no clip to write`);
      closeShard();
      const index: ShardIndex = {
        format: 'eflow-shards-1',
        ...frame,
        channels: 3,
        classes: known ? [...known] : orderClasses(classes),
        frameStride,
        shards,
        counts: { seen: written, ok: written, short: 0, rejected: 0, skipped: 0 },
      };
      writeFileSync(join(temporary, INDEX), `${JSON.stringify(index)}\n`);
      renameSync(temporary, folder);
    },
    abort() {
      if (open) closeSync(open.handle);
      open = undefined;
      rmSync(temporary, { recursive: true, force: true });
    },
  };
}

/** Writes clips as `createClipWriter` does, all at once. Throws as it does, and leaves nothing then. */
export function writeClips(folder: string, clips: Clips, { labels, ...times }: WriteClipsOptions = {}): void {
  const writer = createClipWriter(folder, times);
  try {
    writer.add(clips, labels);
    writer.finish();
  } catch (error) {
    writer.abort();
    throw error;
  }
}

/** Makes the temporary folder, without those of writers that were killed. */
function openTemporary(folder: string): string {
  if (existsSync(folder) && readdirSync(folder).length > 0) {
    throw new Error(`${folder} holds something: give a new folder, or remove it`);
  }
  const parent = dirname(resolve(folder));
  const prefix = `${basename(resolve(folder))}.tmp-`;
  try {
    mkdirSync(parent, { recursive: true });
    for (const name of readdirSync(parent)) {
      const isLeftover = name.startsWith(prefix) && /^[0-9a-f]{12}$/.test(name.slice(prefix.length));
      if (isLeftover) rmSync(join(parent, name), { recursive: true });
    }
    const temporary = join(parent, `${prefix}${randomBytes(6).toString('hex')}`);
    mkdirSync(temporary);
    return temporary;
  } catch (error) {
    throw new Error(`${folder} cannot be written (${(error as Error).message}): give a folder where you may write`);
  }
}

function toRgb(grey: Uint8Array): Uint8Array {
  const rgb = new Uint8Array(3 * grey.length);
  for (let i = 0; i < grey.length; i++) {
    const value = grey[i]!;
    rgb[3 * i] = value;
    rgb[3 * i + 1] = value;
    rgb[3 * i + 2] = value;
  }
  return rgb;
}
