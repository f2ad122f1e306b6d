import { existsSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import {
  type DatasetConfig,
  datasetKind,
  datasetSpec,
  findVideos,
  type HeldOut,
  heldOutVideos,
  openDataset,
  openVideos,
  type Rejection,
  readerVersion,
  readIndex,
  readRejected,
  readVideos,
  takeClips,
} from '@eflow/data';
import { type Clips, inBatches } from '@eflow/tensor';
import { createTally, type Tally } from './tally.ts';

/** Which clips of videos are measured. */
export interface SourceSpec {
  numFrames: number;
  /** Every n-th frame of a video. Shards of generated clips that say what stride they stand for are read at n over that. */
  frameStride: number;
  /** At most so many videos. */
  most: number;
  /** Of prepared videos those that are held out alone, as `data.heldOut` of a config says; all unless given. */
  heldOut?: HeldOut;
  /** Draws the videos where there are more, and the starts of clips where videos are prepared; an integer in [0, 2^32). */
  seed: number;
}

/** Clips to measure: of a folder of videos, a manifest, a tar or prepared videos, one of each; of a data set that makes them; or given ones. */
export interface ClipSource {
  /** Frames of a clip, and frames of its video from one to the next. */
  clip: Pick<SourceSpec, 'numFrames' | 'frameStride'>;
  /** In batches of one size each; of more videos than are wanted those that the seed draws. */
  batches(batchSize: number): AsyncIterable<Clips>;
  /** Clips that the batches will have, less one for each video that turns out to be of no use and has no other in its place. */
  expected(): number;
  /** What became of the videos; complete once the batches have ended. */
  tally(): Tally;
}

/** What shards of generated clips say of clips that they are to be compared with. */
export interface Carried {
  numFrames: number;
  frameStride: number;
}

/** What the clips of a model that `sample --shards` wrote stand for; undefined for all else. Throws as `readIndex` does. */
export function carriedBy(path: string): Carried | undefined {
  if (!isPrepared(path)) return undefined;
  const { frameStride, shards } = readIndex(path);
  if (frameStride === undefined) return undefined;
  const lengths = shards.flatMap(({ videos }) => videos.map(({ numFrames }) => numFrames));
  return { frameStride, numFrames: Math.min(...lengths) };
}

const isPrepared = (path: string): boolean => existsSync(join(path, 'index.json'));

/** Clips of files. */
export interface FileSource extends ClipSource {
  /** Height and width of all frames, where they are known before any is read. */
  frameSize?: readonly [number, number];
  /** Differs if a video, or what reads it, has changed. */
  fingerprint(): Promise<string>;
}

/** Clips that are in memory, with their labels if they have any. */
export function clipsSource(clips: Clips, { frameStride = 1 } = {}): ClipSource {
  const [count, numFrames] = clips.shape;
  return {
    clip: { numFrames, frameStride },
    async *batches(batchSize) {
      yield* inBatches(clips, batchSize);
    },
    expected: () => count,
    tally: () => createTally({ seen: count, measured: count, start: 'first', seed: 0 }),
  };
}

/**
 * What generated clips of a config's data are measured against: of prepared videos one clip each, of those that are held out if any are,
 * at most `most` of them; of made ones the first `most` of the last split, with their labels. Throws as `openSource` does, or the data
 * set's `open`.
 */
export async function realSource(
  data: DatasetConfig,
  { most, seed }: Pick<SourceSpec, 'most' | 'seed'>,
): Promise<ClipSource> {
  const kind = datasetKind(data);
  const { folder, frameStride, heldOut } = kind.describe(data);
  if (folder !== undefined) return openSource(folder, { numFrames: data.numFrames, frameStride, heldOut, most, seed });
  const dataset = openDataset(datasetSpec(data, kind.splits(data).at(-1)!, seed));
  try {
    return clipsSource(takeClips(dataset, 0, most));
  } finally {
    dataset.close?.();
  }
}

/** Lists what lies at `path`; no video is read before the first batch. Throws if there is no such path, or nothing in it that can be read. */
export async function openSource(path: string, spec: SourceSpec): Promise<FileSource> {
  if (spec.heldOut !== undefined && !isPrepared(path)) {
    throw new Error(`${path}: a part can be held out of prepared videos alone: make them with eflow-data prepare`);
  }
  const source = isPrepared(path) ? openPrepared(path, spec) : await openFiles(path, spec);
  if (source.expected() > 0) return source;
  const { rejections } = source.tally();
  const why = rejections[0] ? `; rejected ${rejections[0].path} (${rejections[0].code}): ${rejections[0].problem}` : '';
  throw new Error(`${path}: there are no clips: it lists no video that can be measured${why}`);
}

function openPrepared(folder: string, { numFrames, frameStride, heldOut, most, seed }: SourceSpec): FileSource {
  const { height, width, frameStride: carried = 1, shards, counts } = readIndex(folder);
  const step = frameStride / carried;
  if (!Number.isInteger(step)) {
    throw new Error(
      `${folder} holds clips of a model that saw every n-th frame, n = ${carried}; a stride of ${frameStride} was asked for: leave --stride out, or give a multiple of ${carried}`,
    );
  }
  const span = (numFrames - 1) * step + 1;
  const isMeant = heldOut === undefined ? () => true : heldOutVideos(folder, heldOut);
  const prepared = shards.flatMap(({ videos }) => videos).filter(({ path }) => isMeant(path));
  const rejected = readRejected(folder).filter(({ path }) => isMeant(path));
  const tooShortOnes = prepared
    .filter((video) => video.numFrames < span)
    .map(({ path, numFrames: has }): Rejection => ({ path, code: 'too-short', problem: tooShort(has, span) }));
  const expected = Math.min(most, prepared.length - tooShortOnes.length);
  const rejections = [...rejected, ...tooShortOnes];
  // Of files that are no videos no path is known, so that they are of no part.
  const { seen, skipped } = heldOut === undefined ? counts : { seen: prepared.length + rejected.length, skipped: 0 };
  let measured = 0;
  async function* batches(batchSize: number): AsyncGenerator<Clips> {
    const clip = { folder, numFrames, frameStride: step, start: 'random', flip: false, seed } as const;
    const videos = openVideos({ ...clip, ...(heldOut !== undefined && { heldOut, split: 'held-out' }) });
    measured = 0;
    try {
      for (let first = 0; first < expected; first += batchSize) {
        const { pixels, shape } = takeClips(videos, first, Math.min(batchSize, expected - first));
        measured += shape[0];
        yield { pixels, shape };
      }
    } finally {
      videos.close();
    }
  }
  // A video that is as long as a clip has one clip, which begins with the first frame.
  const start = prepared.some((video) => video.numFrames > span) ? 'random' : 'first';
  return {
    clip: { numFrames, frameStride },
    batches,
    expected: () => expected,
    frameSize: [height, width],
    tally: () => createTally({ seen, measured, skipped, start, seed }, rejections),
    // The index has the hashes of the shards; a list of videos that are held out may change without its name.
    fingerprint: async () =>
      readFileSync(join(folder, 'index.json'), 'utf8') +
      (heldOut === undefined ? '' : prepared.map(({ path }) => path)),
  };
}

const tooShort = (has: number, needed: number) => `it has ${has} frames, and ${needed} are needed`;

async function openFiles(path: string, { numFrames, frameStride, most, seed }: SourceSpec): Promise<FileSource> {
  const found = await findVideos({ path });
  const { skipped } = found;
  const seen = found.entries.length + found.rejected.length + skipped;
  let rejections = found.rejected;
  let measured = 0;
  async function* batches(batchSize: number): AsyncGenerator<Clips> {
    [rejections, measured] = [[], 0];
    let waiting: Uint8Array[] = [];
    let shape: readonly [number, number, number, number] | undefined;
    for await (const video of readVideos(found, { numFrames, frameStride, seed })) {
      if ('code' in video) {
        rejections.push(video);
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
      measured++;
      if (waiting.length === batchSize || measured === most) {
        yield { pixels: Buffer.concat(waiting), shape: [waiting.length, ...shape] };
        waiting = [];
      }
      if (measured === most) return;
    }
    if (waiting.length > 0) yield { pixels: Buffer.concat(waiting), shape: [waiting.length, ...shape!] };
  }
  return {
    clip: { numFrames, frameStride },
    batches,
    expected: () => Math.min(most, seen - skipped - rejections.length),
    tally: () => createTally({ seen, measured, skipped, start: 'first', seed }, rejections),
    async fingerprint() {
      const files = found.entries.map((entry) => {
        const file = join(found.root, entry.path);
        if (!existsSync(file)) return entry;
        const { size, mtimeMs } = statSync(file);
        return [entry, size, mtimeMs];
      });
      return JSON.stringify([await readerVersion(), files, found.rejected]);
    },
  };
}
