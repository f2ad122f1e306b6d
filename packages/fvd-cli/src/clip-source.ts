import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { openVideos, type Rejection, readVideos } from '@eflow/data';
import type { Clips } from '@eflow/fvd';

export interface ClipSpec {
  numFrames: number;
  frameStride: number;
  /** At most so many videos. */
  most: number;
  /** Of the starts of clips, where videos are prepared. */
  seed: number;
}

/** Clips of a folder of videos, a manifest, a tar, or what `eflow-data prepare` wrote; one of each video. */
export interface ClipSource {
  /** In batches of one size each. */
  batches(batchSize: number): AsyncIterable<Clips>;
  /** How the clips were cut out, for the protocol. */
  start: 'first' | 'random';
  /** What could not be used, as far as was read. */
  rejected: Rejection[];
}

/** Opens what lies at `path`. Nothing is read before the first batch. */
export const openSource = (path: string, spec: ClipSpec): ClipSource =>
  existsSync(join(path, 'index.json')) ? openPrepared(path, spec) : openFiles(path, spec);

function openPrepared(folder: string, { numFrames, frameStride, most, seed }: ClipSpec): ClipSource {
  async function* batches(batchSize: number): AsyncGenerator<Clips> {
    const videos = openVideos({ folder, numFrames, frameStride, start: 'random', flip: false, seed });
    try {
      const count = Math.min(most, videos.length);
      for (let first = 0; first < count; first += batchSize) {
        const clips = Array.from(
          { length: Math.min(batchSize, count - first) },
          (_, i) => videos.clip(first + i).pixels,
        );
        yield { data: Buffer.concat(clips), shape: [clips.length, ...videos.shape] };
      }
    } finally {
      videos.close();
    }
  }
  return { batches, start: 'random', rejected: [] };
}

function openFiles(path: string, { numFrames, frameStride, most }: ClipSpec): ClipSource {
  const rejected: Rejection[] = [];
  async function* batches(batchSize: number): AsyncGenerator<Clips> {
    let [waiting, count]: [Uint8Array[], number] = [[], 0];
    let shape: readonly [number, number, number, number] | undefined;
    for await (const video of readVideos({ source: { path }, numFrames, frameStride })) {
      if ('code' in video) {
        rejected.push(video);
        continue;
      }
      if (shape && `${video.shape}` !== `${shape}`) {
        const [, height, width] = shape;
        throw new Error(
          `${path}: ${video.path} has frames of ${video.shape[1]}x${video.shape[2]}, those before it ${height}x${width}; bring all to one size, with eflow-data prepare`,
        );
      }
      shape = video.shape;
      waiting.push(video.pixels);
      if (waiting.length === batchSize || count + waiting.length === most) {
        yield { data: Buffer.concat(waiting), shape: [waiting.length, ...shape] };
        count += waiting.length;
        waiting = [];
      }
      if (count === most) return;
    }
    if (waiting.length > 0) yield { data: Buffer.concat(waiting), shape: [waiting.length, ...shape!] };
  }
  return { batches, start: 'first', rejected };
}
