import * as z from 'zod';
import { checkCount, checkInteger, checkSeed } from './check.ts';
import { clipSize } from './clip-size.ts';
import type { Drawn } from './dataset-kind.ts';

/** A config's section `data` of moving digits. */
export const movingDigitsSchema = z.strictObject({
  kind: z.literal('movingDigits'),
  ...clipSize,
  digitSize: z.int().min(1).describe('side of a digit, pixels: the 28x28 originals are resized to it'),
  numDigits: z.union([z.literal(1), z.literal(2)]).default(1),
  minSpeed: z.number().min(0).describe('pixels per frame; of a clip uniform from minSpeed to maxSpeed'),
  maxSpeed: z.number().min(0).describe('pixels per frame; 0 and 0 make still digits'),
});

export type MovingDigitsSection = z.infer<typeof movingDigitsSchema>;

/** What the clips of a Moving MNIST are like: what a config says of them, a split and a seed. */
export interface MovingDigitsSpec extends Omit<MovingDigitsSection, 'kind'>, Drawn {}

/**
 * The pixels that a digit has to move in. Throws an Error that names the field, its value and the way out, unless it fits, at a
 * range of speeds that there is.
 */
export function checkDigit(spec: Omit<MovingDigitsSpec, 'numDigits'>): number {
  const { numFrames, height, width, digitSize, minSpeed, maxSpeed, split, seed } = spec;
  for (const [name, value] of Object.entries({ numFrames, height, width, digitSize })) checkCount(name, value);
  checkSeed(seed);
  if (split !== 'train' && split !== 'held-out')
    throw new Error(`split: expected 'train' or 'held-out', got '${split}'`);
  const room = Math.min(height, width) - digitSize;
  if (room < 0) {
    throw new Error(
      `digitSize: a digit of ${digitSize} pixels does not fit on ${height}x${width}; make the canvas larger`,
    );
  }
  if (!(minSpeed >= 0 && minSpeed <= maxSpeed)) {
    throw new Error(`minSpeed, maxSpeed: expected 0 <= minSpeed <= maxSpeed, got ${minSpeed} and ${maxSpeed}`);
  }
  return room;
}

/** Throws an Error that names the field, its value and the way out, unless clips of this spec can be made. */
export function checkSpec(spec: MovingDigitsSpec): void {
  const room = checkDigit(spec);
  const { height, width, digitSize, numDigits, maxSpeed } = spec;
  checkInteger('numDigits', numDigits, 1, 2);
  if (maxSpeed > room) {
    throw new Error(
      `maxSpeed: expected at most ${room}, the room that a digit of ${digitSize} has on ${height}x${width}, got ${maxSpeed}; ` +
        'a faster digit would meet both walls within one frame',
    );
  }
}
