import type { ClipsShape } from '@eflow/tensor/clips';
import { gridSize, type MovieOptions, type PngOptions } from './grid.ts';

export type PictureFormat = 'png' | 'webp' | 'gif' | 'mp4';

/** Frames per second where a caller does not say. */
export const DEFAULT_FPS = 8;

/** Largest sides in pixels (mp4: x264's), and frame rates (GIF counts hundredths of a second, players take no less than two). */
const LIMITS: Record<PictureFormat, { name: string; side: number; fps: number }> = {
  png: { name: 'a PNG', side: Number.POSITIVE_INFINITY, fps: Number.POSITIVE_INFINITY },
  webp: { name: 'a WebP', side: 16_383, fps: 1000 },
  gif: { name: 'a GIF', side: 65_535, fps: 50 },
  mp4: { name: 'an mp4', side: 16_384, fps: 1000 },
};

/** sharp's limit on the pixels of an image, all frames together; here of GIF and mp4 as well, which bounds memory. */
const MAX_PIXELS = 0x3fff ** 2;
/** FFmpeg counts so many pixels more on each axis of a frame of mp4. */
const MP4_MARGIN = 128;

/**
 * Throws, saying what is too large, unless a file of this format holds clips of `shape` as its writer draws them; so that it can
 * be known before there are clips. Throws on bad options, too.
 */
export function checkPicture(
  format: PictureFormat,
  shape: ClipsShape,
  { frames, fps = DEFAULT_FPS, ...grid }: PngOptions & MovieOptions = {},
): void {
  const { name, side, fps: mostFps } = LIMITS[format];
  if (!(fps > 0 && fps <= mostFps)) {
    throw new Error(`fps: expected more than 0 and at most ${mostFps} frames per second, got ${fps}`);
  }
  if (frames === 'strip' && grid.columns !== undefined) {
    throw new Error(`columns: a strip has one column per frame, got ${grid.columns}; leave it out or ask for 'first'`);
  }
  const [numClips, numFrames] = shape;
  const isStrip = frames === 'strip';
  const { width, height } = isStrip
    ? gridSize(numClips * numFrames, shape, { ...grid, columns: numFrames })
    : gridSize(numClips, shape, grid);
  const size = `${format}: a ${isStrip ? 'strip' : 'grid'} of ${width}x${height} pixels`;
  const wayOut = `lower scale, take fewer clips${isStrip ? ' or shorter ones' : ' or other columns'}`;
  if (Math.max(width, height) > side) {
    throw new Error(`${size} is more than ${side} on a side, which is the most that ${name} holds; ${wayOut}`);
  }
  const count = format === 'png' ? 1 : numFrames;
  const tooLarge = format === 'mp4' && (width + MP4_MARGIN) * (height + MP4_MARGIN) >= 2 ** 28;
  if (width * height * count > MAX_PIXELS || tooLarge) {
    throw new Error(
      `${size}${count > 1 ? `, ${count} frames of it,` : ''} is more than the ${MAX_PIXELS} pixels that can be written; ${wayOut}`,
    );
  }
}
