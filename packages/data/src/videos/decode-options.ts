import type { Size } from './picture.ts';

export interface DecodeOptions {
  /** Pixels of the frames that come out: the video is made as small as covers them, and its middle is cut out; its own unless given. */
  size?: Size;
  /** Frames per second that are made by repeating and leaving out; the video's own unless given. */
  fps?: number;
  /** Seconds after the video begins. */
  start?: number;
  end?: number;
  maxFrames: number;
  /** Frames after which decoding ends; all unless given. */
  firstFrames?: number;
  /** Width times height of the video. */
  maxPixels: number;
  /** Where in the file it lies; all of it unless given. */
  member?: { offset: number; bytes: number };
}

/** What came of decoding a video, besides its frames. */
export interface DecodedFrames extends Size {
  numFrames: number;
  /** Frames that the container promises in this part; more than were decoded where the file is cut or damaged. */
  expectedFrames: number;
  /** Frames per second; the mean of a variable rate. */
  fps: number;
}
