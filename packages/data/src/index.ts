export { type Batch, makeBatch, takeClips } from './batch.ts';
export type { Partition } from './batch-worker.ts';
export { type Batches, type BatchesOptions, createBatches } from './batches.ts';
export { type CaptionTask, captionTask, type Grammar } from './caption-task.ts';
export { type CaptionedDigitsSpec, captionedDigitsTask } from './captioned-digits.ts';
export type { Clip, ClipDataset } from './clip-dataset.ts';
export type { DataRecord, DatasetDescription, DatasetKind, DatasetSection, Split } from './dataset-kind.ts';
export {
  completeSection,
  DATASETS,
  type DatasetConfig,
  type DatasetSpec,
  datasetKind,
  datasetSchema,
  datasetSpec,
  openDataset,
} from './datasets.ts';
export { movingEmojiTask } from './emoji/moving-emoji.ts';
export { createMovingDigits } from './moving-digits.ts';
export type { MovingDigitsSpec } from './moving-digits-spec.ts';
export type { Rejection, RejectionCode, VideoEntry } from './videos/entry.ts';
export { type FoundVideos, findVideos, LAYOUTS, type Layout, type VideoSource } from './videos/find-videos.ts';
export { type HeldOut, heldOutVideos } from './videos/held-out.ts';
export { type Prepared, type PrepareOptions, prepareVideos } from './videos/prepare.ts';
export { type ReadVideo, type ReadVideosOptions, readerVersion, readVideos } from './videos/read-videos.ts';
export { describeLeftOut } from './videos/record-videos.ts';
export { type Counts, readIndex, readRejected, type Shard, type ShardIndex, type ShardVideo } from './videos/shards.ts';
export { openVideos, type VideoClips } from './videos/video-clips.ts';
export type { VideosSpec } from './videos/videos-spec.ts';
export {
  type ClipWriter,
  type ClipWriterOptions,
  createClipWriter,
  type WriteClipsOptions,
  writeClips,
} from './videos/write-clips.ts';
