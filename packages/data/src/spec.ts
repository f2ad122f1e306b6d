import type { Split } from './mnist.ts';

/** What the clips of a Moving MNIST are like. Lengths are in pixels, speeds in pixels per frame. */
export interface MovingDigitsSpec {
  numFrames: number;
  height: number;
  width: number;
  /** Side of the square that holds a digit; the 28x28 originals are resized to it. */
  digitSize: number;
  numDigits: 1 | 2;
  /** A clip's speed is uniform on [minSpeed, maxSpeed]; 0 and 0 make still digits. */
  minSpeed: number;
  maxSpeed: number;
  split: Split;
  /** An integer in [0, 2^32): another seed is another endless sequence of clips. */
  seed: number;
}

function requireInteger(name: string, value: number, least: number, most: number): void {
  if (Number.isInteger(value) && value >= least && value <= most) return;
  throw new Error(`${name}: expected an integer from ${least} to ${most}, got ${value}`);
}

/** Throws an Error that names the field, its value and the way out, unless clips of this spec can be made. */
export function checkSpec(spec: MovingDigitsSpec): void {
  const { numFrames, height, width, digitSize, numDigits, minSpeed, maxSpeed, split, seed } = spec;
  requireInteger('numFrames', numFrames, 1, 0xffff);
  requireInteger('height', height, 1, 0xffff);
  requireInteger('width', width, 1, 0xffff);
  requireInteger('digitSize', digitSize, 1, 0xffff);
  requireInteger('numDigits', numDigits, 1, 2);
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
  if (maxSpeed > room) {
    throw new Error(
      `maxSpeed: expected at most ${room}, the room that a digit of ${digitSize} has on ${height}x${width}, got ${maxSpeed}; ` +
        'a faster digit would meet both walls within one frame',
    );
  }
}

/** Throws unless `seed` is an integer in [0, 2^32). */
export function checkSeed(seed: number): void {
  requireInteger('seed', seed, 0, 0xffff_ffff);
}

/** Throws unless `index` counts a clip or a batch: an integer in [0, 2^53). */
export function checkIndex(name: string, index: number): void {
  requireInteger(name, index, 0, Number.MAX_SAFE_INTEGER);
}

/** Throws unless `count` is an integer from 1 to 65535. */
export function checkCount(name: string, count: number): void {
  requireInteger(name, count, 1, 0xffff);
}
