import type { DatasetKind } from '../dataset-kind.ts';
import { completeVideos } from './complete-videos.ts';
import { recordVideos } from './record-videos.ts';
import { openVideos } from './video-clips.ts';
import { type VideosSection, type VideosSpec, videosSchema } from './videos-spec.ts';

/** Videos that `eflow-data prepare` made ready. */
export const videos = {
  kind: 'videos',
  schema: videosSchema,
  complete: completeVideos,
  splits: ({ heldOut }) => (heldOut === undefined ? ['train'] : ['train', 'held-out']),
  measuredBy: 'i3d',
  open: openVideos,
  describe: ({ numClasses, frameStride, folder, heldOut }) => ({
    channels: 3,
    numClasses,
    frameStride,
    folder,
    ...(heldOut !== undefined && { heldOut }),
  }),
  record: recordVideos,
} satisfies DatasetKind<VideosSection, VideosSpec>;
