import { type Clips, toClips } from '@eflow/media';
import { createStream, randomNormal, splitStream, uploadStream } from '@eflow/tensor';
import { assertLabels, type ClipSize, tokenGrid, type VideoDiTConfig, type VideoDiTParams } from '@eflow/video-dit';
import * as tf from '@tensorflow/tfjs-core';
import type { Sample } from './samplers.ts';

export interface SampleOptions {
  /** Size of the clips: any that patches divide. Fields beside these are left aside, so that a config's `data` will do. */
  clip: ClipSize;
  /** A class per clip. */
  labels: readonly number[];
  /** Clip i depends on the seed, on i and on its label alone. */
  seed: number;
  /** Clips sampled at a time; 64 unless given. */
  batchSize?: number;
  onBatch?: (clipsDone: number) => void;
}

/** Samples one clip per label. Throws on labels out of range, on bad sizes and steps, and if the network gives NaN. */
export function sampleClips(
  sample: Sample,
  params: VideoDiTParams,
  config: VideoDiTConfig,
  { clip, labels, seed, batchSize = 64, onBatch }: SampleOptions,
): Clips {
  assertLabels(labels, config.numClasses);
  tokenGrid(config, clip); // throws before anything is drawn
  const clipShape = [clip.numFrames, clip.height, clip.width, config.channels] as const;
  const values = new Float32Array(labels.length * tf.util.sizeFromShape([...clipShape]));
  const clipSize = values.length / labels.length;
  const stream = createStream(seed);
  for (let first = 0; first < labels.length; first += batchSize) {
    const part = labels.slice(first, first + batchSize);
    tf.tidy(() => {
      const noise = tf.stack(part.map((_, i) => randomNormal(splitStream(stream, first + i), [...clipShape])));
      const renoising = uploadStream(splitStream(stream, `renoise${first}`));
      const data = sample(params, noise, tf.tensor1d([...part], 'int32'), renoising);
      values.set(data.dataSync(), first * clipSize);
    });
    onBatch?.(first + part.length);
  }
  return toClips(values, [labels.length, ...clipShape]);
}

/** Labels 0, 1, ..., numClasses - 1, 0, 1, ... */
export const cycleLabels = (length: number, numClasses: number): number[] =>
  Array.from({ length }, (_, i) => i % numClasses);
