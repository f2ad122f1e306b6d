import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { sync as writeFileAtomically } from 'write-file-atomic';
import { INDEX, orderClasses, type ShardIndex, type ShardVideo, UNLABELLED } from './shards.ts';

export interface WriteClipsOptions {
  /** The class of every clip; none unless given. */
  labels?: readonly string[];
  /** Frames per second; 8 unless given. */
  fps?: number;
}

/**
 * Writes clips as `prepareVideos` writes videos, without the loss of a codec: `openVideos` reads them, and so do those who measure
 * them. Pixels are uint8, [N, F, H, W, C]; grey ones become RGB. Throws if the folder holds anything, if pixels do not fill the
 * shape, on channels other than 1 or 3, or on labels that are not as many as clips.
 */
export function writeClips(
  folder: string,
  { data, shape }: { data: Uint8Array; shape: readonly [N: number, F: number, H: number, W: number, C: number] },
  { labels, fps = 8 }: WriteClipsOptions = {},
): void {
  const [count, numFrames, height, width, channels] = shape;
  if (channels !== 1 && channels !== 3)
    throw new Error(`writeClips: frames have ${channels} channels; expected 1 or 3`);
  if (data.length !== count * numFrames * height * width * channels) {
    throw new Error(`writeClips: ${data.length} pixels do not fill the shape [${shape.join(', ')}]`);
  }
  if (labels && labels.length !== count) throw new Error(`writeClips: ${labels.length} labels for ${count} clips`);
  if (existsSync(folder) && readdirSync(folder).length > 0) {
    throw new Error(`${folder} holds something: give a new folder, or remove it`);
  }
  const pixels =
    channels === 3 ? data : Uint8Array.from({ length: 3 * data.length }, (_, i) => data[Math.floor(i / 3)]!);
  const clipBytes = pixels.length / count;
  const videos = Array.from({ length: count }, (_, i): ShardVideo => {
    const label = labels?.[i];
    const path = `clip-${String(i).padStart(6, '0')}`;
    return { path, ...(label !== undefined && { label }), numFrames, fps, offset: i * clipBytes, isShort: false };
  });
  const file = 'shard-00000.bin';
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, file), pixels);
  const sha256 = createHash('sha256').update(pixels).digest('hex');
  const index: ShardIndex = {
    ...{ format: 'eflow-shards-1', height, width, channels: 3 },
    classes: orderClasses(labels ?? [UNLABELLED]),
    shards: [{ file, bytes: pixels.length, sha256, videos, rejected: [] }],
    counts: { seen: count, ok: count, short: 0, rejected: 0, skipped: 0 },
  };
  writeFileAtomically(join(folder, INDEX), `${JSON.stringify(index)}\n`);
}
