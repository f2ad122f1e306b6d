/** A video, or a part of one, that a dataset lists. */
export interface VideoEntry {
  /** The path of its file, or of the tar that it lies in; from the dataset's root on, with forward slashes. */
  path: string;
  /** Which bytes of a tar it is. */
  member?: { name: string; offset: number; bytes: number };
  label?: string;
  caption?: string;
  /** Seconds; from the beginning and to the end unless given. */
  start?: number;
  end?: number;
}

/** Why a video is not used. */
export type RejectionCode =
  | 'listing' // the list that names it is wrong
  | 'missing'
  | 'unreadable' // a file or folder that the system does not let us read
  | 'outside' // a path that leaves the root, or a link that leaves it or leads to where it lies
  | 'not-a-file'
  | 'too-large'
  | 'format' // none of the containers that are read, or a damaged one
  | 'no-video'
  | 'too-many-pixels'
  | 'too-long'
  | 'too-short'
  | 'damaged' // frames cannot be decoded
  | 'deadline'
  | 'memory'
  | 'crash';

export interface Rejection {
  path: string;
  /** Its class, where the listing told it. */
  label?: string;
  code: RejectionCode;
  /** What is wrong, and what can be done about it. */
  problem: string;
}

/** What a video's path and, in a tar, its name are in messages and reports. */
export const nameOf = ({ path, member }: VideoEntry): string => (member ? `${path}!${member.name}` : path);

/** Thrown where one video cannot be used. */
export class VideoError extends Error {
  constructor(
    readonly code: RejectionCode,
    problem: string,
  ) {
    super(problem);
  }
}
