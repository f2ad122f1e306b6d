import { middleFps, readIndex, type Shard } from './shards.ts';

/** Frames of a clip, where videos are long enough. */
const NUM_FRAMES = 16;
/** Frames per second that clips have about: slow enough to show motion within a second or two. */
const CLIP_FPS = 8;
/** Share of the videos that is to be long enough for a clip. */
const LONG_ENOUGH = 0.95;

/**
 * A config's section `data` of prepared videos with what it leaves out: the size and the classes are those of the shards; a clip has 16
 * frames, or as many as nearly all videos have; and the stride brings it to about 8 frames per second, as far as nearly all videos
 * are long enough. Throws if something is left out and the folder holds no shards.
 */
export function completeVideos(section: Record<string, unknown>): Record<string, unknown> {
  const { folder } = section;
  const keys = ['height', 'width', 'numClasses', 'numFrames', 'frameStride'];
  if (keys.every((key) => section[key] !== undefined)) return section;
  if (folder === undefined) {
    throw new Error(
      'data.folder is missing: make it with eflow-data prepare VIDEOS --out shards, then add data.folder=shards',
    );
  }
  if (typeof folder !== 'string') return section; // for the schema to refuse
  const { height, width, classes, shards } = readIndex(folder);
  const length = commonLength(shards);
  const numFrames = Math.min(NUM_FRAMES, length);
  return {
    height,
    width,
    numClasses: classes.length,
    numFrames,
    frameStride: strideOf(section.numFrames ?? numFrames),
    ...section,
  };

  function strideOf(frames: unknown): number {
    const longest = typeof frames === 'number' && frames > 1 ? Math.floor((length - 1) / (frames - 1)) : 1;
    return Math.max(1, Math.min(longest, Math.round(middleFps(shards) / CLIP_FPS)));
  }
}

/** Frames that nearly all videos have. */
function commonLength(shards: readonly Shard[]): number {
  const lengths = shards.flatMap(({ videos }) => videos.map(({ numFrames }) => numFrames)).sort((a, b) => b - a);
  return lengths[Math.ceil(LONG_ENOUGH * lengths.length) - 1]!;
}
