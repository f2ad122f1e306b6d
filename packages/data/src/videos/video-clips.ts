import { closeSync, openSync, readSync } from 'node:fs';
import { join } from 'node:path';
import { checkCount, checkIndex, checkSeed } from '../check.ts';
import type { ClipDataset } from '../clip-dataset.ts';
import { createDraws, hashWords } from '../hash.ts';
import { heldOutVideos } from './held-out.ts';
import { permute } from './permutation.ts';
import { readIndex, type Shard, type ShardVideo, UNLABELLED } from './shards.ts';
import type { VideosSpec } from './videos-spec.ts';

/** Clips of videos: an endless sequence, epoch after epoch, each in an order of its own. */
export interface VideoClips extends ClipDataset {
  /** Clips of an epoch: one of every video that is long enough. */
  length: number;
  /** The labels in the order of their numbers. */
  classes: string[];
  /** Videos with too few frames for a clip, which are left out. */
  tooShort: number;
  /** Frames that a video needs for a clip. */
  span: number;
  /** Videos of each class, in the order of `classes`, and how many of them are too short. */
  classCounts: { videos: number; tooShort: number }[];
  close(): void;
}

/**
 * Clips of the shards in a folder: clip i is of epoch floor(i / length); which video, where it begins and whether it is
 * mirrored are functions of (seed, i) alone, so that a run resumes at any place at once. With `heldOut` they are those of one part.
 * Throws if the folder holds no shards, the part no video, or none that is long enough, and as `heldOutVideos` does; `clip` throws on an index that is not an integer in [0, 2^53), and if a file is cut.
 */
export function openVideos(spec: VideosSpec): VideoClips {
  const { folder, numFrames, frameStride, seed } = spec;
  checkCount('numFrames', numFrames);
  checkCount('frameStride', frameStride);
  checkSeed(seed);
  const { height, width, channels, classes, shards } = readIndex(folder);
  const span = (numFrames - 1) * frameStride + 1;
  const isInPart = partOf(spec);
  const all = shards.flatMap(({ file, videos }) => videos.filter(isInPart).map((video) => ({ file, video })));
  if (all.length === 0) throw emptyPart(spec, shards);
  const videos = all.filter(({ video }) => video.numFrames >= span);
  if (videos.length === 0) {
    const most = Math.max(...all.map(({ video }) => video.numFrames));
    throw new Error(
      `${folder}: no video has ${span} frames, which a clip of ${numFrames} at a stride of ${frameStride} spans; the longest has ${most}`,
    );
  }
  const frameBytes = height * width * channels;
  const handles = new Map<string, number>();
  const labels = new Map(classes.map((label, number) => [label, number]));

  function open(file: string): number {
    const handle = handles.get(file) ?? openSync(join(folder, file), 'r');
    handles.set(file, handle);
    return handle;
  }

  function labelOf({ label = UNLABELLED }: ShardVideo): number {
    return labels.get(label)!;
  }

  function countClasses(): VideoClips['classCounts'] {
    const counts = classes.map(() => ({ videos: 0, tooShort: 0 }));
    for (const { video } of all) {
      const count = counts[labelOf(video)]!;
      count.videos++;
      if (video.numFrames < span) count.tooShort++;
    }
    return counts;
  }

  return {
    shape: [numFrames, height, width, channels],
    numClasses: classes.length,
    length: videos.length,
    classes,
    tooShort: all.length - videos.length,
    span,
    classCounts: countClasses(),
    clip(index) {
      checkIndex('clip index', index);
      const epoch = Math.floor(index / videos.length);
      const order = hashWords(seed, [epoch, Math.floor(epoch / 2 ** 32)]);
      const { file, video } = videos[permute(index % videos.length, videos.length, order)]!;
      const draw = createDraws(seed, index);
      const [place, mirror] = [draw(), draw()];
      const first = firstFrame(video, span, place, spec.start);
      const pixels = new Uint8Array(numFrames * frameBytes);
      for (let frame = 0; frame < numFrames; frame++) {
        const position = video.offset + (first + frame * frameStride) * frameBytes;
        const target = pixels.subarray(frame * frameBytes, (frame + 1) * frameBytes);
        readFrame(open(file), join(folder, file), target, position);
      }
      if (spec.flip && mirror < 0.5) mirrorRows(pixels, width, channels);
      return { pixels, label: labelOf(video), caption: video.caption ?? video.label ?? '' };
    },
    close() {
      for (const handle of handles.values()) closeSync(handle);
      handles.clear();
    },
  };
}

/** Whether a video is of the part that is asked for. */
function partOf({ folder, heldOut, split = 'train' }: VideosSpec): (video: ShardVideo) => boolean {
  if (heldOut === undefined) {
    if (split === 'train') return () => true;
    throw new Error(`${folder}: no part of the videos is held out; set data.heldOut, such as to 0.05`);
  }
  const isHeldOut = heldOutVideos(folder, heldOut);
  return ({ path }) => isHeldOut(path) === (split === 'held-out');
}

function emptyPart({ folder, heldOut, split = 'train' }: VideosSpec, shards: readonly Shard[]): Error {
  const count = shards.reduce((sum, { videos }) => sum + videos.length, 0);
  const purpose = split === 'train' ? 'to train on' : 'to measure on';
  return new Error(
    `${folder}: data.heldOut, ${heldOut}, leaves none of its ${count} videos ${purpose}; give another share, or a file that lists videos to hold out`,
  );
}

function firstFrame({ numFrames }: ShardVideo, span: number, place: number, start: VideosSpec['start']): number {
  const room = numFrames - span;
  switch (start) {
    case 'first':
      return 0;
    case 'middle':
      return Math.floor(room / 2);
    case 'random':
      return Math.floor(place * (room + 1));
  }
}

function readFrame(handle: number, file: string, target: Uint8Array, position: number): void {
  for (let done = 0; done < target.length; ) {
    const read = readSync(handle, target, done, target.length - done, position + done);
    if (read === 0) throw new Error(`${file} ends at byte ${position + done}: it is cut off; prepare the videos again`);
    done += read;
  }
}

/** Mirrors [..., width, channels] in place. */
function mirrorRows(pixels: Uint8Array, width: number, channels: number): void {
  const rowBytes = width * channels;
  for (let row = 0; row < pixels.length; row += rowBytes) {
    for (let left = 0, right = width - 1; left < right; left++, right--) {
      for (let channel = 0; channel < channels; channel++) {
        const [a, b] = [row + left * channels + channel, row + right * channels + channel];
        [pixels[a], pixels[b]] = [pixels[b]!, pixels[a]!];
      }
    }
  }
}
