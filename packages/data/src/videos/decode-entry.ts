import { checkFile } from './check-file.ts';
import type { DecodedFrames, DecodeOptions } from './decode-options.ts';
import { nameOf, type Rejection, type VideoEntry, VideoError } from './entry.ts';

const MAX_FILE_BYTES = 4 * 2 ** 30;
const MAX_PIXELS = 33_177_600;
/** Memory of one process that decodes. */
export const MAX_RESIDENT_BYTES = 2 * 2 ** 30;

export type DecodeEntryOptions = Pick<DecodeOptions, 'size' | 'fps' | 'maxFrames' | 'firstFrames'> & {
  /** A video of fewer is rejected. */
  minFrames: number;
};

/** What `decode`, a method of a pool, makes of the video that an entry names, or why it is not used. */
export async function decodeEntry<Decoded extends DecodedFrames>(
  decode: (file: string, options: DecodeOptions) => Promise<Decoded>,
  root: string,
  entry: VideoEntry,
  { minFrames, ...options }: DecodeEntryOptions,
): Promise<Decoded | Rejection> {
  const { start, end, member } = entry;
  try {
    const file = checkFile(root, entry, MAX_FILE_BYTES);
    const video = await decode(file, { ...options, maxPixels: MAX_PIXELS, start, end, member });
    if (video.numFrames >= minFrames) return video;
    throw new VideoError('too-short', `it has ${video.numFrames} frames, and ${minFrames} are needed`);
  } catch (error) {
    if (!(error instanceof VideoError)) throw error;
    return { path: nameOf(entry), code: error.code, problem: error.message };
  }
}
