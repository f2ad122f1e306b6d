import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { useTensorFlow } from '@eflow/engine';
import { createSample, loadConfig, type SamplerSpec } from '@eflow/run';
import { createStream, mapTree, randomNormal, splitStream } from '@eflow/tensor';
import { type ClipSize, initVideoDiT, type VideoDiTConfig } from '@eflow/video-dit';
import * as tf from '@tensorflow/tfjs-core';
import { exportSampler } from './export-sampler.ts';

/** A tensor as JSON. */
export interface StoredTensor {
  shape: number[];
  dtype: 'float32' | 'int32';
  values: number[];
}

/** Inputs of an exported model and the outputs that TensorFlow.js gives for them. */
export interface Check {
  inputs: Record<'noise' | 'label', StoredTensor>;
  outputs: Record<'video', StoredTensor>;
}

const config: VideoDiTConfig = {
  channels: 1,
  patchSize: [2, 4, 4],
  hiddenSize: 64,
  depth: [1, 2, 1],
  numHeads: 4,
  mlpRatio: 4,
  numClasses: 10,
  attention: { kind: 'glga', windowSize: 8, featureMap: 'relu' },
};
const CLIP: ClipSize = { numFrames: 4, height: 16, width: 16 };
const CLIPS = 3;
const SPEC: SamplerSpec = { sampler: 'few-step', numSteps: 4 };

/**
 * Exports the few-step sampler of a small untrained network, noise and labels in and clips out, into the new folder
 * `folder`, and writes `check.json` beside the model: inputs, and the clips that the sampler makes of them uncompiled.
 */
export async function exportTinySampler(folder: string): Promise<void> {
  await useTensorFlow();
  const { objective } = loadConfig('digits-tiny');
  // A new network predicts zero; with every parameter moved its output depends on all of them.
  const params = mapTree(initVideoDiT(createStream(1), config), (leaf, name) =>
    tf.add(leaf, tf.mul(randomNormal(splitStream(createStream(2), name), leaf.shape), 0.05)),
  );
  const noise = randomNormal(createStream(3), [CLIPS, CLIP.numFrames, CLIP.height, CLIP.width, config.channels]);
  const label = tf.tensor1d([0, 3, 9], 'int32');
  await exportSampler(folder, config, params, { spec: SPEC, objective, clip: CLIP, batchSize: CLIPS });
  const video = createSample(config, objective, SPEC)(params, noise, label);
  const check: Check = {
    inputs: { noise: store(noise), label: store(label) },
    outputs: { video: store(video) },
  };
  writeFileSync(join(folder, 'check.json'), JSON.stringify(check));
}

const store = (tensor: tf.Tensor): StoredTensor => ({
  shape: tensor.shape,
  dtype: tensor.dtype as StoredTensor['dtype'],
  values: [...tensor.dataSync()],
});

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const folder = process.argv[2];
  if (!folder) throw new Error('usage: export-tiny-sampler.ts FOLDER, a folder that does not exist yet');
  await exportTinySampler(folder);
}
