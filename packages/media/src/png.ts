import type { Clips } from '@eflow/tensor/clips';
import { addCaptions } from './captions.ts';
import { checkClips, drawFrames, drawStrip, type PngOptions } from './grid.ts';
import { checkPicture } from './limits.ts';
import { writeWhole } from './write-file.ts';

/** Writes a still of clips [N, F, H, W, C] as PNG. Throws on bad clips or options and where the file cannot be written. */
export async function writeGridPng(file: string, clips: Clips, options: PngOptions = {}): Promise<void> {
  checkClips(clips);
  checkPicture('png', clips.shape, options);
  const { frames = 'first', ...grid } = options;
  const image = frames === 'strip' ? drawStrip(clips, grid) : drawFrames(clips, grid)[0]!;
  await addCaptions([image], clips.shape, grid, frames === 'strip');
  const { data, ...raw } = image;
  const { default: sharp } = await import('sharp');
  await writeWhole(file, await sharp(data, { raw }).png().toBuffer());
}
