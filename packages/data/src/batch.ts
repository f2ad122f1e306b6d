import type { Clips } from '@eflow/tensor/clips';
import { checkCount, checkIndex } from './check.ts';
import type { ClipDataset } from './clip-dataset.ts';

/** Clips batchSize * index and on, with their labels and captions. The caller owns them. */
export interface Batch extends Required<Clips> {
  index: number;
}

/** Batch `index` of a dataset, made here and now: clips batchSize * index .. batchSize * (index + 1) - 1, in order. */
export function makeBatch(dataset: ClipDataset, batchSize: number, index: number): Batch {
  checkIndex('batch index', index);
  return { index, ...takeClips(dataset, batchSize * index, batchSize) };
}

/** Clips `first` to `first` + `count` - 1 of a dataset, with their labels and captions. */
export function takeClips({ shape, clip }: ClipDataset, first: number, count: number): Required<Clips> {
  checkCount('batchSize', count);
  const clipBytes = shape.reduce((product, size) => product * size, 1);
  const clips: Required<Clips> = {
    pixels: new Uint8Array(count * clipBytes),
    shape: [count, ...shape],
    labels: new Int32Array(count),
    captions: [],
  };
  for (let i = 0; i < count; i++) {
    const { pixels, label, caption } = clip(first + i);
    clips.pixels.set(pixels, i * clipBytes);
    clips.labels[i] = label;
    clips.captions.push(caption);
  }
  return clips;
}
