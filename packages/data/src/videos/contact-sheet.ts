import { openVideos } from './video-clips.ts';
import type { VideosSpec } from './videos-spec.ts';

const GAP = 2;
/** The most pixels that sharp composes. */
const MAX_PIXELS = 0x3fff ** 2;

/**
 * Writes a PNG with a row for each of the first `rows` clips, their frames from left to right; returns their captions. Throws if
 * it would be too large, or no video is long enough for a clip.
 */
export async function writeContactSheet(file: string, spec: VideosSpec, rows: number): Promise<string[]> {
  const clips = openVideos(spec);
  try {
    const [numFrames, height, width, channels] = clips.shape;
    const count = Math.min(rows, clips.length);
    const sheet = {
      width: numFrames * (width + GAP) + GAP,
      height: count * (height + GAP) + GAP,
      channels: 3 as const,
      background: 'grey',
    };
    if (sheet.width * sheet.height > MAX_PIXELS) {
      throw new Error(
        `the contact sheet would have ${sheet.height}x${sheet.width} pixels, over ${MAX_PIXELS}: ask for fewer clips or frames`,
      );
    }
    const captions: string[] = [];
    const tiles = Array.from({ length: count }, (_, row) => {
      const { pixels, caption } = clips.clip(row);
      captions.push(caption);
      return Array.from({ length: numFrames }, (__, frame) => ({
        input: Buffer.from(pixels.subarray(frame * height * width * channels, (frame + 1) * height * width * channels)),
        raw: { width, height, channels: 3 as const },
        left: GAP + frame * (width + GAP),
        top: GAP + row * (height + GAP),
      }));
    });
    const { default: sharp } = await import('sharp');
    await sharp({ create: sheet }).composite(tiles.flat()).png().toFile(file);
    return captions;
  } finally {
    clips.close();
  }
}
