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
  /** Names of the classes that have no video of that length. */
  emptyClasses: string[];
};
