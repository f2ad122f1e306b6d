export { type Batch, makeBatch } from './batch.ts';
export type { Partition } from './batch-worker.ts';
export { type Batches, type BatchesOptions, createBatches } from './batches.ts';
export type { Clip, ClipDataset } from './clip-dataset.ts';
export type { Split } from './mnist.ts';
export { createMovingDigits } from './moving-digits.ts';
export { type ClipSpec, openDataset } from './open-dataset.ts';
export { normalizePixels } from './pixels.ts';
export type { MovingDigitsSpec } from './spec.ts';
export type { Rejection, RejectionCode, VideoEntry } from './videos/entry.ts';
export { type FoundVideos, findVideos, LAYOUTS, type Layout, type VideoSource } from './videos/find-videos.ts';
export { type Prepared, type PrepareOptions, prepareVideos } from './videos/prepare.ts';
export { type ReadVideo, type ReadVideosOptions, readerVersion, readVideos } from './videos/read-videos.ts';
export { type Counts, readIndex, type Shard, type ShardIndex, type ShardVideo } from './videos/shards.ts';
export { CLIP_STARTS, openVideos, type VideoClips, type VideosSpec } from './videos/video-clips.ts';
export {
  type ClipPixels,
  type ClipWriter,
  type ClipWriterOptions,
  createClipWriter,
  type WriteClipsOptions,
  writeClips,
} from './videos/write-clips.ts';
