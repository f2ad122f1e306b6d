import type { Clips } from '@eflow/tensor/clips';
import { addCaptions } from './captions.ts';
import { checkClips, drawFrames, type MovieOptions } from './grid.ts';
import { checkPicture, DEFAULT_FPS } from './limits.ts';
import { writeWhole } from './write-file.ts';

/**
 * A grid of moving clips [N, F, H, W, C] as a lossless animated WebP that loops for ever; a frame lasts whole
 * milliseconds. Throws on bad clips or options.
 */
export async function gridWebp(clips: Clips, options: MovieOptions = {}): Promise<Buffer> {
  checkClips(clips);
  checkPicture('webp', clips.shape, options);
  const { fps = DEFAULT_FPS, ...grid } = options;
  const frames = drawFrames(clips, grid);
  await addCaptions(frames, clips.shape, grid);
  const { width, height, channels } = frames[0]!;
  const { default: sharp } = await import('sharp');
  const pixels = Buffer.concat(frames.map((frame) => frame.data));
  return sharp(pixels, { raw: { width, height: height * frames.length, channels, pageHeight: height } })
    .webp({ lossless: true, effort: 3, loop: 0, delay: frames.map(() => Math.round(1000 / fps)) })
    .toBuffer();
}

/** Writes `gridWebp` to a file; throws as it does and where the file cannot be written. */
export async function writeGridWebp(file: string, clips: Clips, options: MovieOptions = {}): Promise<void> {
  await writeWhole(file, await gridWebp(clips, options));
}
