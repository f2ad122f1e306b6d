import type { MovingDigitsSpec } from '@eflow/data';

/** The clips that the classifier learns and is measured on: those of the preset digits-tiny. */
export const CLIPS = {
  numFrames: 8,
  height: 16,
  width: 16,
  digitSize: 12,
  numDigits: 1,
  minSpeed: 0.3,
  maxSpeed: 1,
} as const satisfies Omit<MovingDigitsSpec, 'split' | 'seed'>;
