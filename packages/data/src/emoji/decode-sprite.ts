import sharp from 'sharp';
import { SPRITE_FRAMES, SPRITE_SIDE } from './emoji-cache.ts';

const FRAME_MS = 125;

/**
 * An animated WebP as uint8 [24, 64, 64, 4], RGB already multiplied by alpha: every pixel the mean of a square of the original, every
 * frame what the animation, which begins again at its end, shows at that time. Throws, naming it, on what is no square animation.
 */
export async function decodeSprite(webp: Uint8Array, name: string): Promise<Uint8Array> {
  const image = sharp(webp, { pages: -1 });
  const { width = 0, height = 0, pageHeight = height, pages = 1, delay = [] } = await image.metadata();
  const block = width / SPRITE_SIDE;
  if (pageHeight !== width || !Number.isInteger(block) || pages < 2 || delay.length !== pages) {
    throw new Error(
      `${name} has ${pages} frames of ${pageHeight}x${width}; expected an animation in squares whose side is a multiple of ${SPRITE_SIDE}`,
    );
  }
  const source = await image.ensureAlpha().raw().toBuffer();
  const duration = delay.reduce((sum, ms) => sum + ms, 0);
  const frameAt = (ms: number) => {
    let page = 0;
    for (let left = (ms % duration) - delay[0]!; left >= 0; left -= delay[page]!) page++;
    return page;
  };
  const sprite = new Uint8Array(SPRITE_FRAMES * SPRITE_SIDE ** 2 * 4);
  for (let frame = 0; frame < SPRITE_FRAMES; frame++) {
    const top = frameAt(frame * FRAME_MS) * width;
    for (let y = 0; y < SPRITE_SIDE; y++) {
      for (let x = 0; x < SPRITE_SIDE; x++) {
        const sums = [0, 0, 0, 0];
        for (let dy = 0; dy < block; dy++) {
          for (let dx = 0; dx < block; dx++) {
            const from = ((top + y * block + dy) * width + x * block + dx) * 4;
            const alpha = source[from + 3]!;
            for (let channel = 0; channel < 3; channel++) sums[channel]! += (source[from + channel]! * alpha) / 255;
            sums[3]! += alpha;
          }
        }
        const to = ((frame * SPRITE_SIDE + y) * SPRITE_SIDE + x) * 4;
        for (let channel = 0; channel < 4; channel++) sprite[to + channel] = Math.round(sums[channel]! / block ** 2);
      }
    }
  }
  return sprite;
}
