import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { exportSavedModel, type TensorSpec } from '@eflow/engine';
import { createSample, type RunConfig, type SamplerSpec } from '@eflow/run';
import { WORDS_STEP } from '@eflow/text';
import type { ClipSize, FullVideoDiTConfig, VideoDiTParams } from '@eflow/video-dit';
import type * as tf from '@tensorflow/tfjs-core';

export interface ExportOptions {
  spec: SamplerSpec;
  /** What the network was trained with. */
  objective: RunConfig['objective'];
  /** Size of the clips. */
  clip: ClipSize;
  /** Clips of one call, B. */
  batchSize: number;
}

/**
 * Writes the whole sampler, weights included, as a TensorFlow SavedModel into the new folder `folder`: from `noise`
 * [B, F, H, W, C], `label` [B] int32, and for `renoise` a `seed`, int32 [2], to `video` [B, F, H, W, C] in [-1, 1]. In place of `label` a
 * network that takes words has `words` [B, S] int32 and `wordMask` [B, S] bool, S the longest caption that it can be asked for; its vocabulary
 * lies beside it, in `VOCABULARY_FILE`: word i in line i, counted from 0, and any other word is their number. Returns the names of the inputs.
 */
export async function exportSampler(
  folder: string,
  network: FullVideoDiTConfig,
  params: VideoDiTParams,
  { spec, objective, clip, batchSize }: ExportOptions,
): Promise<string[]> {
  const sample = createSample(network, objective, spec);
  const { numFrames, height, width } = clip;
  const words = [batchSize, EXPORTED_WORDS];
  const inputs: Record<string, TensorSpec> = {
    noise: { shape: [batchSize, numFrames, height, width, network.channels], dtype: 'float32' },
    ...(network.words
      ? { words: { shape: words, dtype: 'int32' }, wordMask: { shape: words, dtype: 'bool' } }
      : { label: { shape: [batchSize], dtype: 'int32' } }),
    ...(spec.sampler === 'renoise' && { seed: { shape: [2], dtype: 'int32' } }),
  };
  const run = ({ noise, label, words, wordMask, seed }: Record<string, tf.Tensor>) => ({
    video: sample(params, noise!, label ? { labels: label } : { words, wordMask }, {
      ...(seed && { stream: { seed: seed as tf.Tensor1D } }),
    }),
  });
  await exportSavedModel(run, inputs, folder);
  if (network.words) {
    mkdirSync(join(folder, VOCABULARY_FILE, '..'));
    writeFileSync(join(folder, VOCABULARY_FILE), `${network.words.vocabulary.join('\n')}\n`);
  }
  return Object.keys(inputs);
}

/** In a SavedModel's folder: where TensorFlow looks for nothing of its own. */
export const VOCABULARY_FILE = 'assets.extra/vocabulary.txt';

/** Words of a caption that an exported model takes at most. */
const EXPORTED_WORDS = 2 * WORDS_STEP;
