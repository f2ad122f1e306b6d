import { type Network, sampleEuler, sampleFewStep, sampleWithRenoising } from '@eflow/flow';
import { type Clips, toClips } from '@eflow/media';
import { createStream, randomNormal, splitStream } from '@eflow/tensor';
import { assertLabels, type VideoDiTConfig } from '@eflow/video-dit';
import * as tf from '@tensorflow/tfjs-core';

/** `few-step` jumps t -> s, `renoise` jumps to 0 and mixes with fresh noise, `euler` follows the velocity. */
export const SAMPLERS = ['few-step', 'renoise', 'euler'] as const;
export type Sampler = (typeof SAMPLERS)[number];

export interface SampleOptions {
  sampler: Sampler;
  numSteps: number;
  /** A class per clip. */
  labels: readonly number[];
  /** Clip i depends on the seed, on i and on its label alone. */
  seed: number;
  /** Clips sampled at a time; 64 unless given. */
  batchSize?: number;
  onBatch?: (clipsDone: number) => void;
}

/** Samples one clip per label. Throws on labels out of range, on bad steps, and if the network gives NaN. */
export function sampleClips(network: Network, config: VideoDiTConfig, options: SampleOptions): Clips {
  const { labels, numSteps, seed, batchSize = 64 } = options;
  assertLabels(labels, config.numClasses);
  const clipShape = [config.numFrames, config.height, config.width, config.channels] as const;
  const values = new Float32Array(labels.length * tf.util.sizeFromShape([...clipShape]));
  const clipSize = values.length / labels.length;
  const stream = createStream(seed);
  for (let first = 0; first < labels.length; first += batchSize) {
    const part = labels.slice(first, first + batchSize);
    tf.tidy(() => {
      const noise = tf.stack(part.map((_, i) => randomNormal(splitStream(stream, first + i), [...clipShape])));
      const input = { noise, condition: tf.tensor1d([...part], 'int32'), numSteps };
      const { data } = runSampler(network, options.sampler, {
        ...input,
        stream: splitStream(stream, `renoise${first}`),
      });
      values.set(data.dataSync(), first * clipSize);
    });
    options.onBatch?.(first + part.length);
  }
  return toClips(values, [labels.length, ...clipShape]);
}

function runSampler(network: Network, sampler: Sampler, input: Parameters<typeof sampleWithRenoising>[1]) {
  switch (sampler) {
    case 'few-step':
      return sampleFewStep(network, input);
    case 'renoise':
      return sampleWithRenoising(network, input);
    case 'euler':
      return sampleEuler(network, input);
    default:
      throw new Error(`sampler '${sampler satisfies never}': expected one of ${SAMPLERS.join(', ')}`);
  }
}

/** Labels 0, 1, ..., numClasses - 1, 0, 1, ... */
export const cycleLabels = (length: number, numClasses: number): number[] =>
  Array.from({ length }, (_, i) => i % numClasses);
