import { existsSync, readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { isAbsolute, join, resolve } from 'node:path';

/** Side of a sprite in pixels, and its frames, of which there are 8 a second. */
export const SPRITE_SIDE = 64;
export const SPRITE_FRAMES = 24;

/** The folder of the decoded emoji: in EFLOW_CACHE, else in `eflow` in the user's cache folder, where the engine's library lies too. */
export function emojiFolder({ EFLOW_CACHE, XDG_CACHE_HOME = '' }: NodeJS.ProcessEnv = process.env): string {
  const userCache = isAbsolute(XDG_CACHE_HOME) ? XDG_CACHE_HOME : join(homedir(), '.cache');
  return join(EFLOW_CACHE ? resolve(EFLOW_CACHE) : join(userCache, 'eflow'), 'fluent-emoji-anim-1@1.0.0');
}

/** Throws, saying how to fetch the emoji, if they were not. */
export function checkFetched(): void {
  const folder = emojiFolder();
  if (existsSync(folder)) return;
  throw new Error(
    `${folder} is not there: fetch the animated emoji once, 165 MB from npm, with eflow-data fetch-emoji`,
  );
}

/** A picture, uint8 [side, side, 4], RGB already multiplied by alpha. */
export interface Sprite {
  side: number;
  pixels: Uint8Array;
}

/** The frames of an emoji, each at 64, 32, 16 and 8 pixels. Throws if its file is missing or has another size. */
export function readSprites(code: string): Sprite[][] {
  const file = join(emojiFolder(), `${code}.rgba`);
  const bytes = readFileSync(file);
  const frame = SPRITE_SIDE ** 2 * 4;
  if (bytes.length !== SPRITE_FRAMES * frame) {
    throw new Error(
      `${file} has ${bytes.length} bytes, not ${SPRITE_FRAMES * frame}: remove ${emojiFolder()}, and fetch the emoji again with eflow-data fetch-emoji`,
    );
  }
  return Array.from({ length: SPRITE_FRAMES }, (_, i) => {
    const whole = { side: SPRITE_SIDE, pixels: new Uint8Array(bytes.subarray(i * frame, (i + 1) * frame)) };
    const half = halve(whole);
    const quarter = halve(half);
    return [whole, half, quarter, halve(quarter)];
  });
}

/** A picture of half the side, every pixel the mean of four. */
function halve({ side, pixels }: Sprite): Sprite {
  const half = side / 2;
  const halved = new Uint8Array(half ** 2 * 4);
  for (let y = 0; y < half; y++) {
    for (let x = 0; x < half; x++) {
      for (let channel = 0; channel < 4; channel++) {
        const at = (dx: number, dy: number) => pixels[((2 * y + dy) * side + 2 * x + dx) * 4 + channel]!;
        halved[(y * half + x) * 4 + channel] = Math.round((at(0, 0) + at(1, 0) + at(0, 1) + at(1, 1)) / 4);
      }
    }
  }
  return { side: half, pixels: halved };
}
