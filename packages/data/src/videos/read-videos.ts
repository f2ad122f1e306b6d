import { availableParallelism } from 'node:os';
import { decodeEntry, MAX_RESIDENT_BYTES } from './decode-entry.ts';
import { createDecoderPool } from './decoder-pool.ts';
import { nameOf, type Rejection } from './entry.ts';
import { requireFFmpeg } from './ffmpeg.ts';
import { findVideos, type VideoSource } from './find-videos.ts';

export interface ReadVideosOptions {
  source: VideoSource;
  /** Of a clip. */
  numFrames: number;
  /** Frames of the video from one of the clip's to the next; 1 unless given. */
  frameStride?: number;
  /** Processes; as many as there are cores unless given. */
  jobs?: number;
  /** Of decoding one video; 30 unless given. */
  deadlineSeconds?: number;
}

/** The first frames of a video, at their own size. */
export interface ReadVideo {
  path: string;
  /** uint8 RGB, [F, H, W, 3]. */
  pixels: Uint8Array;
  shape: [F: number, H: number, W: number, C: 3];
}

/**
 * The clip that every video of a dataset begins with, in an order that is the same each time, or why there is none: for those
 * who measure videos as they are. As many are decoded ahead as there are processes. Throws if there is no such dataset.
 */
export async function* readVideos(options: ReadVideosOptions): AsyncGenerator<ReadVideo | Rejection> {
  const { source, numFrames, frameStride = 1, jobs = availableParallelism(), deadlineSeconds = 30 } = options;
  for (const [name, value] of Object.entries({ numFrames, frameStride, jobs })) {
    if (!Number.isInteger(value) || value < 1) throw new Error(`${name}: expected an integer from 1 on, got ${value}`);
  }
  await requireFFmpeg();
  const { root, entries, rejected } = await findVideos(source);
  yield* rejected;
  const needed = (numFrames - 1) * frameStride + 1;
  const pool = createDecoderPool({ jobs, deadlineSeconds, maxResidentBytes: MAX_RESIDENT_BYTES });
  const decode = (i: number) =>
    decodeEntry(pool.decode, root, entries[i]!, { firstFrames: needed, minFrames: needed, maxFrames: needed });
  try {
    const ahead: ReturnType<typeof decode>[] = [];
    for (const [i, entry] of entries.entries()) {
      while (ahead.length < jobs && i + ahead.length < entries.length) ahead.push(decode(i + ahead.length));
      const video = await ahead.shift()!;
      if ('code' in video) {
        yield video;
        continue;
      }
      const { height, width, pixels } = video;
      const bytes = height * width * 3;
      const frames = Array.from({ length: numFrames }, (_, f) =>
        pixels.subarray(f * frameStride * bytes, (f * frameStride + 1) * bytes),
      );
      yield { path: nameOf(entry), pixels: Buffer.concat(frames), shape: [numFrames, height, width, 3] };
    }
  } finally {
    pool.close();
  }
}
