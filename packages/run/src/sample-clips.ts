import { type Clips, createStream, joinClips, randomNormal, splitStream, toClips } from '@eflow/tensor';
import { assertLabels, type ClipSize, type FullVideoDiTConfig, tokenGrid, type VideoDiTParams } from '@eflow/video-dit';
import * as tf from '@tensorflow/tfjs-core';
import type { SampleFunction } from './samplers.ts';

export interface SampleOptions {
  /** Size of the clips: any that patches divide. Fields beside these are left aside, so that a config's `data` will do. */
  clip: ClipSize;
  /** A class per clip. */
  labels: readonly number[];
  /** Clip i depends on the seed, on i and on its label alone, but for rounding. */
  seed: number;
  /** Clips sampled at a time; 64 unless given. */
  batchSize?: number;
  /** Called after every sampling step with the clips done so far; a batch counts by its steps, so that this may be 2.5. */
  onStep?: (clipsDone: number) => void;
}

/**
 * Samples one clip per label, a batch at a time, so that no more than a batch need be in memory. Throws at once on labels out
 * of range and on bad sizes, and at a batch if the network gives NaN.
 */
export function sampleInBatches(
  sample: SampleFunction,
  params: VideoDiTParams,
  config: FullVideoDiTConfig,
  { clip, labels, seed, batchSize = 64, onStep }: SampleOptions,
): Generator<Clips> {
  assertLabels(labels, config.numClasses);
  tokenGrid(config, clip);
  const shape = clipShape(config, clip);
  const stream = createStream(seed);
  function* batches() {
    for (let first = 0; first < labels.length; first += batchSize) {
      const part = labels.slice(first, first + batchSize);
      const streams = part.map((_, i) => splitStream(stream, first + i));
      let values = new Float32Array();
      // Assigned, not returned: tidy walks all that is returned, looking for tensors.
      tf.tidy(() => {
        const noise = tf.stack(streams.map((one) => randomNormal(one, [...shape])));
        values = sample(params, noise, tf.tensor1d([...part], 'int32'), {
          stream: streams,
          onStep: ({ step, numSteps }) => onStep?.(first + (part.length * step) / numSteps),
        }).dataSync<'float32'>() as Float32Array<ArrayBuffer>;
      });
      yield { ...toClips(values, [part.length, ...shape]), labels: Int32Array.from(part) };
    }
  }
  return batches();
}

/** The clips of `sampleInBatches` in one piece. */
export function sampleClips(
  sample: SampleFunction,
  params: VideoDiTParams,
  config: FullVideoDiTConfig,
  options: SampleOptions,
): Clips {
  return joinClips([...sampleInBatches(sample, params, config, options)]);
}

const clipShape = ({ channels }: FullVideoDiTConfig, { numFrames, height, width }: ClipSize) =>
  [numFrames, height, width, channels] as const;

/** Labels 0, 1, ..., numClasses - 1, 0, 1, ... */
export const cycleLabels = (length: number, numClasses: number): number[] =>
  Array.from({ length }, (_, i) => i % numClasses);
