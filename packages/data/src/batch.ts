import type { ClipDataset } from './clip-dataset.ts';
import { checkCount, checkIndex } from './spec.ts';

/** `pixels` uint8 [B, F, H, W, C], `labels` [B], `captions` [B]; the clips batchSize * index and on. The taker owns it. */
export interface Batch {
  index: number;
  pixels: Uint8Array<ArrayBuffer>;
  labels: Int32Array<ArrayBuffer>;
  captions: string[];
}

/** Batch `index` of a dataset, made here and now: clips batchSize * index .. batchSize * (index + 1) - 1, in order. */
export function makeBatch(dataset: ClipDataset, batchSize: number, index: number): Batch {
  checkCount('batchSize', batchSize);
  checkIndex('batch index', index);
  const clipBytes = dataset.shape.reduce((product, size) => product * size, 1);
  const batch: Batch = {
    index,
    pixels: new Uint8Array(batchSize * clipBytes),
    labels: new Int32Array(batchSize),
    captions: [],
  };
  for (let i = 0; i < batchSize; i++) {
    const { pixels, label, caption } = dataset.clip(batchSize * index + i);
    batch.pixels.set(pixels, i * clipBytes);
    batch.labels[i] = label;
    batch.captions.push(caption);
  }
  return batch;
}
