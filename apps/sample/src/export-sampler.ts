import { exportSavedModel } from '@eflow/engine';
import { createSample, type RunConfig, type SamplerSpec } from '@eflow/run';
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
 * [B, F, H, W, C], `label` [B] int32, and for `renoise` a `seed`, int32 [2], to `video` [B, F, H, W, C] in [-1, 1].
 */
export function exportSampler(
  folder: string,
  network: FullVideoDiTConfig,
  params: VideoDiTParams,
  { spec, objective, clip, batchSize }: ExportOptions,
): Promise<void> {
  const sample = createSample(network, objective, spec);
  const { numFrames, height, width } = clip;
  const noise = { shape: [batchSize, numFrames, height, width, network.channels], dtype: 'float32' } as const;
  const label = { shape: [batchSize], dtype: 'int32' } as const;
  const seed = { shape: [2], dtype: 'int32' } as const;
  if (spec.sampler === 'renoise') {
    const run = (x: Record<'noise' | 'label' | 'seed', tf.Tensor>) => ({
      video: sample(params, x.noise, x.label, { stream: { seed: x.seed as tf.Tensor1D } }),
    });
    return exportSavedModel(run, { noise, label, seed }, folder);
  }
  const run = (x: Record<'noise' | 'label', tf.Tensor>) => ({ video: sample(params, x.noise, x.label) });
  return exportSavedModel(run, { noise, label }, folder);
}
