import { createHash } from 'node:crypto';
import { availableParallelism } from 'node:os';
import { DECODING_VERSION } from './decode.ts';
import { decodeEntry, MAX_RESIDENT_BYTES } from './decode-entry.ts';
import { createDecoderPool } from './decoder-pool.ts';
import { nameOf, type Rejection, type VideoEntry } from './entry.ts';
import { loadFFmpeg, requireFFmpeg } from './ffmpeg.ts';
import type { FoundVideos } from './find-videos.ts';

export interface ReadVideosOptions {
  /** Frames per clip. */
  numFrames: number;
  /** Frames of the video from one of the clip's to the next; 1 unless given. */
  frameStride?: number;
  /** Chooses the order of the videos, an integer of at least 0. */
  seed: number;
  /** Processes; as many as there are cores unless given. */
  jobs?: number;
  /** Seconds that decoding one video may take; 30 unless given. */
  deadlineSeconds?: number;
}

/** The first frames of a video, at their own size. */
export interface ReadVideo {
  path: string;
  /** uint8 RGB, [F, H, W, 3]. */
  pixels: Uint8Array;
  shape: [F: number, H: number, W: number, C: 3];
}

/** The version of what reads video files: clips of two versions may differ. Throws, with the way to install it, without FFmpeg. */
export async function readerVersion(): Promise<string> {
  const { getFFmpegInfo } = await loadFFmpeg();
  return `decoding ${DECODING_VERSION}, FFmpeg ${getFFmpegInfo().version}`;
}

/**
 * The clip that every video begins with, or why there is none: first what `findVideos` rejected, then the videos in an order drawn
 * by the seed. Whoever stops after N clips has a random N of them, and the next of the draw in place of each that cannot be used;
 * in what order the videos are listed does not matter. As many are decoded ahead as there are processes, and nothing else is held.
 * Throws on options that are no integers, and without FFmpeg.
 */
export async function* readVideos(
  { root, entries, rejected }: FoundVideos,
  { numFrames, frameStride = 1, seed, jobs = availableParallelism(), deadlineSeconds = 30 }: ReadVideosOptions,
): AsyncGenerator<ReadVideo | Rejection> {
  for (const [name, value] of Object.entries({ numFrames, frameStride, jobs })) {
    if (!Number.isInteger(value) || value < 1) throw new Error(`${name}: expected an integer from 1 on, got ${value}`);
  }
  await requireFFmpeg();
  yield* rejected;
  const drawn = drawOrder(entries, seed);
  const needed = (numFrames - 1) * frameStride + 1;
  const pool = createDecoderPool({ jobs, deadlineSeconds, maxResidentBytes: MAX_RESIDENT_BYTES });
  const decode = (i: number) => {
    const limits = { firstFrames: needed, minFrames: needed, maxFrames: needed };
    const decoded = decodeEntry(pool.decode, root, drawn[i]!, limits);
    decoded.catch(() => {}); // it is awaited when its turn comes, if the reader has not stopped by then
    return decoded;
  };
  try {
    const ahead: ReturnType<typeof decode>[] = [];
    for (const [i, entry] of drawn.entries()) {
      while (ahead.length < jobs && i + ahead.length < drawn.length) ahead.push(decode(i + ahead.length));
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

/** The entries by the hash of the seed and what each names, so that their own order does not matter. */
function drawOrder(entries: readonly VideoEntry[], seed: number): VideoEntry[] {
  const keyed = entries.map((entry) => {
    const { path, member, start, end } = entry;
    const name = JSON.stringify([seed, path, member?.name, start, end]);
    return { entry, key: createHash('sha256').update(name).digest('hex') };
  });
  return keyed.sort((a, b) => (a.key < b.key ? -1 : a.key > b.key ? 1 : 0)).map(({ entry }) => entry);
}
