import { type Clips, createStream, disposeTree, joinClips, randomNormal, splitStream, toClips } from '@eflow/tensor';
import {
  assertLabels,
  type ClipSize,
  type FullVideoDiTConfig,
  readCondition,
  tokenGrid,
  type VideoDiTParams,
} from '@eflow/video-dit';
import * as tf from '@tensorflow/tfjs-core';
import type { SampleFunction } from './samplers.ts';

/** What clips are to show, one each: a class, or what a caption says to a network that takes words. */
export interface Asked {
  labels?: readonly number[];
  captions?: readonly string[];
}

export interface SampleOptions extends Asked {
  /** Size of the clips: any that patches divide. Fields beside these are left aside, so that a config's `data` will do. */
  clip: ClipSize;
  /** Clip i depends on the seed, on i and on its label or caption alone, but for rounding. */
  seed: number;
  /** Clips sampled at a time; 64 unless given. */
  batchSize?: number;
  /** Called after every sampling step with the clips done so far; a batch counts by its steps, so that this may be 2.5. */
  onStep?: (clipsDone: number) => void;
}

/**
 * Samples one clip for each label or caption, a batch at a time, so that no more than a batch need be in memory. Throws at once on labels out
 * of range, on captions that say nothing and on bad sizes, and at a batch if the network gives NaN.
 */
export function sampleInBatches(
  sample: SampleFunction,
  params: VideoDiTParams,
  config: FullVideoDiTConfig,
  { clip, labels, captions, seed, batchSize = 64, onStep }: SampleOptions,
): Generator<Clips> {
  if (!config.words) assertLabels(labels ?? [], config.numClasses);
  disposeTree(readCondition(config, { labels, captions }));
  tokenGrid(config, clip);
  const count = (config.words ? captions : labels)!.length;
  const shape = clipShape(config, clip);
  const stream = createStream(seed);
  function* batches() {
    for (let first = 0; first < count; first += batchSize) {
      const end = Math.min(first + batchSize, count);
      const part = { labels: labels?.slice(first, end), captions: captions?.slice(first, end) };
      const streams = Array.from({ length: end - first }, (_, i) => splitStream(stream, first + i));
      let values = new Float32Array();
      // Assigned, not returned: tidy walks all that is returned, looking for tensors.
      tf.tidy(() => {
        const noise = tf.stack(streams.map((one) => randomNormal(one, [...shape])));
        values = sample(params, noise, readCondition(config, part), {
          stream: streams,
          onStep: ({ step, numSteps }) => onStep?.(first + ((end - first) * step) / numSteps),
        }).dataSync<'float32'>() as Float32Array<ArrayBuffer>;
      });
      yield {
        ...toClips(values, [end - first, ...shape]),
        ...(part.labels && { labels: Int32Array.from(part.labels) }),
        ...(part.captions && { captions: part.captions }),
      };
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
