import { setTimeout } from 'node:timers/promises';
import type { Image } from '@eflow/media';
import type { ClipSize } from '@eflow/video-dit';

/** Whether the terminal says that it shows 24-bit colours. */
export const showsColours = (): boolean =>
  process.stdout.isTTY === true && /^(truecolor|24bit)$/.test(process.env.COLORTERM ?? '');

/** How many clips of a size a terminal shows side by side, a pixel between them; 0 where it is smaller than one. */
export function roomFor(
  { height, width }: Pick<ClipSize, 'height' | 'width'>,
  { columns = 80, rows = 24 }: { columns?: number; rows?: number } = process.stdout,
): number {
  const isTooHigh = Math.ceil(height / 2) >= rows;
  return isTooHigh ? 0 : Math.floor((columns + 1) / (width + 1));
}

/** A picture in characters, each of which shows two pixels, one above the other: ceil(height / 2) lines. */
export function drawInCharacters({ data, width, height, channels }: Image): string {
  const colourAt = (x: number, y: number) => {
    const from = (y * width + x) * channels;
    return [0, 1, 2].map((channel) => data[from + (channels === 3 ? channel : 0)]).join(';');
  };
  const lines = Array.from({ length: Math.ceil(height / 2) }, (_, line) => {
    const characters = Array.from({ length: width }, (_, x) => {
      const upper = `\x1b[38;2;${colourAt(x, 2 * line)}m`;
      const lower = 2 * line + 1 < height ? `\x1b[48;2;${colourAt(x, 2 * line + 1)}m` : '\x1b[49m';
      return `${upper}${lower}▀`;
    });
    return `${characters.join('')}\x1b[0m`;
  });
  return lines.join('\n');
}

/** Shows frames one after the other in the same place, again and again for some seconds; the last stays. */
export async function play(frames: readonly Image[], fps: number, seconds: number): Promise<void> {
  const pictures = frames.map(drawInCharacters);
  const back = `\x1b[${pictures[0]!.split('\n').length}A`;
  const rounds = Math.max(1, Math.round((seconds * fps) / frames.length));
  for (let shown = 0; shown < rounds * frames.length; shown++) {
    process.stdout.write(`${shown > 0 ? back : ''}${pictures[shown % frames.length]}\n`);
    await setTimeout(1000 / fps);
  }
}
