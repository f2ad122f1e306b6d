import { loadCheckpoint } from '@eflow/checkpoint';
import { createStream, disposeTree } from '@eflow/tensor';
import { type FullVideoDiTConfig, initVideoDiT, type VideoDiTParams } from '@eflow/video-dit';
import { findCheckpoint } from './best-checkpoint.ts';
import { videoDiTConfig } from './build.ts';
import type { RunConfig } from './config.ts';
import { openRunFolder } from './run-folder.ts';

export interface LoadOptions {
  /** A step's folder name, such as `step-000500`, or `best`, see `findCheckpoint`; the newest valid checkpoint unless given. */
  checkpoint?: string;
  /** The averaged parameters, or the raw ones; `ema` unless given. */
  weights?: 'ema' | 'params';
}

export interface LoadedNetwork {
  config: RunConfig;
  network: FullVideoDiTConfig;
  /** The caller owns them. */
  params: VideoDiTParams;
  step: number;
}

/** The network of a run's checkpoint. Throws if there is none, it is damaged, or it is of another network. */
export async function loadNetwork(
  root: string,
  { checkpoint, weights = 'ema' }: LoadOptions = {},
): Promise<LoadedNetwork> {
  const { folder, config } = openRunFolder(root);
  const network = videoDiTConfig(config);
  const path = checkpoint === undefined ? folder.checkpoints : findCheckpoint(folder, config, checkpoint);
  const template = initVideoDiT(createStream(0), network);
  try {
    const { step, trees } = await loadCheckpoint(path, { [weights]: template });
    return { config, network, params: trees[weights]!, step };
  } finally {
    disposeTree(template);
  }
}
