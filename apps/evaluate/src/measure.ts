import { fileURLToPath } from 'node:url';
import { loadTree, readSafetensors } from '@eflow/checkpoint';
import { makeBatch, normalizePixels } from '@eflow/data';
import {
  type CovarianceRule,
  classAccuracy,
  type DigitsClassifierParams,
  digitsClassifier,
  digitsClassifierWeights,
  type FeatureStatistics,
  finishStatistics,
  frameConsistency,
  frechetDistance,
  initDigitsClassifier,
  sumFeatures,
} from '@eflow/fvd';
import type { Clips } from '@eflow/media';
import { openClips, type RunConfig } from '@eflow/run';
import { createStream, disposeTree } from '@eflow/tensor';
import * as tf from '@tensorflow/tfjs-core';
import type { Figures } from './evaluation.ts';

export const COVARIANCE_RULE: CovarianceRule = 'N-1';
const CLIPS_PER_BATCH = 100;
const NUM_CLASSES = 10;

/** The shipped classifier and what its file says of it. The caller owns the parameters. */
export async function loadClassifier(): Promise<{ params: DigitsClassifierParams; heldOutAccuracy: number }> {
  const file = fileURLToPath(digitsClassifierWeights);
  const template = initDigitsClassifier(createStream(0));
  const params = await loadTree(file, template);
  disposeTree(template);
  const { metadata } = await readSafetensors(file);
  return { params, heldOutAccuracy: Number(metadata.heldOutAccuracy) };
}

/** What the classifier sees in clips. */
export interface Reading {
  statistics: FeatureStatistics;
  featureSize: number;
  classAccuracy: number;
  frameConsistency: number;
}

/** Runs the classifier over clips [N, F, H, W, 1] and compares what it sees with the labels. */
export function readClips(params: DigitsClassifierParams, clips: Clips, labels: readonly number[]): Reading {
  const [numClips, numFrames, height, width] = clips.shape;
  const clipSize = clips.data.length / numClips;
  const parts: { features: Float32Array[]; logits: Float32Array[]; frameLogits: Float32Array[] } = {
    features: [],
    logits: [],
    frameLogits: [],
  };
  let featureSize = 0;
  for (let first = 0; first < numClips; first += CLIPS_PER_BATCH) {
    const pixels = clips.data.subarray(first * clipSize, (first + CLIPS_PER_BATCH) * clipSize);
    tf.tidy(() => {
      const input = tf.tensor(normalizePixels(pixels), [pixels.length / clipSize, numFrames, height, width, 1]);
      const output = digitsClassifier(params, input);
      featureSize = output.features.shape[1];
      for (const name of ['features', 'logits', 'frameLogits'] as const)
        parts[name].push(output[name].dataSync<'float32'>());
    });
  }
  return {
    statistics: finishStatistics(
      sumFeatures({ features: join(parts.features), numFeatures: featureSize }),
      COVARIANCE_RULE,
    ),
    featureSize,
    classAccuracy: classAccuracy(join(parts.logits), NUM_CLASSES, labels),
    frameConsistency: frameConsistency(join(parts.frameLogits), numFrames, NUM_CLASSES),
  };
}

/** The figures of clips against a reference set. */
export function compare(reading: Reading, reference: Reading): Figures {
  return {
    frechetDistance: frechetDistance(reading.statistics, reference.statistics),
    classAccuracy: reading.classAccuracy,
    frameConsistency: reading.frameConsistency,
  };
}

/** Held-out clips `first` to `first + count` of the run's kind, with their labels. */
export function realClips(config: RunConfig, first: number, count: number): { clips: Clips; labels: number[] } {
  const dataset = openClips(config, 'held-out');
  const { pixels, labels } = makeBatch(dataset, count, first / count);
  return { clips: { data: pixels, shape: [count, ...dataset.shape] }, labels: [...labels] };
}

function join(parts: Float32Array[]): Float32Array {
  const whole = new Float32Array(parts.reduce((sum, part) => sum + part.length, 0));
  let next = 0;
  for (const part of parts) {
    whole.set(part, next);
    next += part.length;
  }
  return whole;
}
