import * as z from 'zod';
import { clipSize } from '../clip-size.ts';
import type { Split } from '../dataset-kind.ts';

/** Where in its video a clip begins. */
const CLIP_STARTS = ['random', 'first', 'middle'] as const;

const HELD_OUT_EXPECTED =
  'expected a share between 0 and 1, such as 0.05, or the file of a list of paths; leave it out to hold out none';

/** A config's section `data` of prepared videos. */
export const videosSchema = z.strictObject({
  kind: z.literal('videos'),
  folder: z
    .string()
    .min(1)
    .describe(
      'written by eflow-data prepare; says height, width, numClasses, numFrames and frameStride where they are left out',
    ),
  ...clipSize,
  numClasses: z.int().min(1),
  frameStride: z.int().min(1).default(1).describe('take every n-th frame of a video'),
  start: z.enum(CLIP_STARTS).default('random').describe('where in its video a clip begins'),
  flip: z.boolean().default(false).describe('mirrors half of the clips'),
  maxTooShort: z
    .number()
    .min(0)
    .max(1)
    .default(0.05)
    .describe('share of the videos that may be too short for a clip; they are left out'),
  heldOut: z
    .union([z.number(), z.string()], HELD_OUT_EXPECTED)
    .refine((value) => (typeof value === 'number' ? value > 0 && value < 1 : value !== ''), HELD_OUT_EXPECTED)
    .optional()
    .describe(
      'videos that training never sees, for measurements: a share, by a hash of their paths, or a file with a path on each line',
    ),
});

export type VideosSection = z.infer<typeof videosSchema>;

/** The clips of prepared videos: what their config says, as far as clips depend on it. */
export interface VideosSpec
  extends Pick<VideosSection, 'folder' | 'numFrames' | 'frameStride' | 'start' | 'flip' | 'heldOut'> {
  /** The clips' part where `heldOut` makes two; `train` unless given. */
  split?: Split;
  /** An integer in [0, 2^32): another seed is another order, and other starts. */
  seed: number;
}
