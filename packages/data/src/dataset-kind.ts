import type * as z from 'zod';
import type { CaptionTask } from './caption-task.ts';
import type { ClipDataset } from './clip-dataset.ts';
import type { HeldOut } from './videos/held-out.ts';

/** Which part of a data set: `train`, or `held-out`, which training never sees. */
export type Split = 'train' | 'held-out';

/** What clips that are made, of which there is no end, are drawn by. */
export interface Drawn {
  split: Split;
  /** An integer in [0, 2^32): another seed is another endless sequence of clips. */
  seed: number;
}

/** What a config's section `data` has, whatever its kind. */
export interface DatasetSection {
  kind: string;
  numFrames: number;
  height: number;
  width: number;
}

/** What a config says of its clips before they are opened. */
export interface DatasetDescription {
  /** 1 is grey, 3 is RGB. */
  channels: 1 | 3;
  numClasses: number;
  /** In the order of their numbers; absent: known only of the opened data, by `record`. */
  classNames?: string[];
  /** Every how many frames of a video a clip takes one; 1 where clips are made. */
  frameStride: number;
  /** That holds prepared videos; absent: clips are made, and there is no end of them. */
  folder?: string;
  /** The part of these that training never sees; absent: none. */
  heldOut?: HeldOut;
}

/** The prepared videos that a run is trained on: kept in its folder and in its checkpoints, and compared where it goes on. */
export type DataRecord = {
  folder: string;
  /** Names of the classes, in the order of their numbers. */
  classes: string[];
  /** SHA-256 of the frames' digests, the videos' places, lengths and labels, and the size: what clips are made from. */
  digest: string;
  videos: number;
  /** Videos with fewer frames than `span`, which are left out. */
  tooShort: number;
  /** Frames that a clip spans. */
  span: number;
  /** Names of the classes that have no video of that length to train on. */
  emptyClasses: string[];
  /** Frames per second of most videos; absent in records from before it was kept. */
  fps?: number;
  /** The part that training never sees: its videos that are long enough for a clip, and a SHA-256 of which videos it has. Absent: none. */
  heldOut?: { videos: number; digest: string };
};

/**
 * A kind of data set: all that configs, training and measuring know of it. `Section` is a config's section `data` of this kind, `Spec` what
 * clips are opened by: the section with a `split` and a `seed`, or as much of them as it needs.
 */
export interface DatasetKind<Section extends DatasetSection = DatasetSection, Spec = never> {
  kind: Section['kind'];
  /** A strict object of zod's, with `kind` and the keys of `clipSize`. */
  schema: z.ZodType<Section>;
  /**
   * What files say of keys that a config's section leaves out; absent: nothing. Throws where it needs files that are not there. Values
   * may still be of any kind: the schema checks them afterwards.
   */
  complete?(section: Record<string, unknown>): Record<string, unknown>;
  /** Those that such a section has; clips of the last are what generated ones are measured against. */
  splits(section: Section): readonly [Split, ...Split[]];
  /** The extractor of @eflow/measure that looks at its clips while a run trains. */
  measuredBy: 'digits' | 'captionedDigits' | 'movingEmoji' | 'i3d';
  /** Throws where there are no such clips. */
  open(spec: Spec): ClipDataset;
  describe(section: Section): DatasetDescription;
  /** What its captions say; absent: nothing that is known beforehand. */
  captions?(section: Section): CaptionTask;
  /** What identifies videos of files, for runs that go on with them; absent: the section and the seed do. */
  record?(section: Section & { seed: number }): DataRecord;
  /** Throws, saying why, unless the extractor's classifier can name the classes of such clips; absent: it never can. */
  checkNameable?(section: Section): void;
}
