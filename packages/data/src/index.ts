export { type Batch, makeBatch } from './batch.ts';
export { type Batches, type BatchesOptions, createBatches } from './batches.ts';
export type { Split } from './mnist.ts';
export { type Clip, createMovingDigits, type MovingDigits } from './moving-digits.ts';
export { normalizePixels } from './pixels.ts';
export type { MovingDigitsSpec } from './spec.ts';
