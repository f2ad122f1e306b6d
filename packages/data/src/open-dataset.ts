import type { ClipDataset } from './clip-dataset.ts';
import { createMovingDigits } from './moving-digits.ts';
import type { MovingDigitsSpec } from './spec.ts';
import { openVideos, type VideosSpec } from './videos/video-clips.ts';

/** What clips are made from. */
export type ClipSpec = MovingDigitsSpec | VideosSpec;

/** The clips of a specification. Throws as `createMovingDigits` and `openVideos` do. */
export const openDataset = (spec: ClipSpec): ClipDataset =>
  'folder' in spec ? openVideos(spec) : createMovingDigits(spec);
