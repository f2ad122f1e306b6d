import { createRequire } from 'node:module';
import type { Clips } from '@eflow/tensor/clips';
import { addCaptions } from './captions.ts';
import { checkClips, drawFrames, type Image, type MovieOptions, toRgba } from './grid.ts';
import { checkPicture, DEFAULT_FPS } from './limits.ts';
import { writeWhole } from './write-file.ts';

/** By require, since gifenc is CommonJS of a form whose exports `import` finds in some loaders and not in others. */
const gifenc: typeof import('gifenc') = createRequire(import.meta.url)('gifenc');

const GREYS = Array.from({ length: 256 }, (_, value) => [value, value, value]);

/**
 * Writes a grid of moving clips [N, F, H, W, C] as a GIF that loops for ever. Grey clips are exact; colours are reduced
 * to one palette of 256 for all frames. A frame lasts whole hundredths of a second, so that fps is at most 50.
 * Throws on bad clips or options and where the file cannot be written.
 */
export async function writeGridGif(file: string, clips: Clips, options: MovieOptions = {}): Promise<void> {
  checkClips(clips);
  checkPicture('gif', clips.shape, options);
  const { fps = DEFAULT_FPS, ...grid } = options;
  const drawn = drawFrames(clips, grid);
  await addCaptions(drawn, clips.shape, grid);
  const { palette, frames } = indexFrames(drawn);
  const encoder = gifenc.GIFEncoder();
  frames.forEach(({ data, width, height }, i) => {
    encoder.writeFrame(data, width, height, { delay: 1000 / fps, ...(i === 0 ? { palette, repeat: 0 } : {}) });
  });
  encoder.finish();
  await writeWhole(file, encoder.bytes());
}

/** A palette [R, G, B] of at most 256 colours and, for each frame, the index of each pixel's colour in it. */
function indexFrames(frames: Image[]): { palette: number[][]; frames: Image[] } {
  if (frames[0]!.channels === 1) return { palette: GREYS, frames }; // a grey is its own index
  const rgba = new Uint8Array(Buffer.concat(frames.map(toRgba)));
  // Choosing among colours of 4 bits takes seconds less than among those of 5 and 6, and the means of such cells are exact.
  const palette = gifenc.quantize(rgba, 256, { format: 'rgb444' });
  const index = gifenc.applyPalette(rgba, palette);
  const size = index.length / frames.length;
  return { palette, frames: frames.map((frame, i) => ({ ...frame, data: index.subarray(i * size, (i + 1) * size) })) };
}
