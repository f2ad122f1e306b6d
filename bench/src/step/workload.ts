import { countTokens, type VideoDiTConfig } from '@eflow/video-dit';

/** What all contestants compute: one network on one batch. */
export interface Workload {
  /** L, of one clip. */
  tokens: number;
  /** B */
  batchSize: number;
  network: VideoDiTConfig;
}

export type Depth = VideoDiTConfig['depth'];

/** Clips of 16 frames: L = 16/2 (side/4)^2. */
const CLIPS: Readonly<Record<number, { side: number; batchSize: number }>> = {
  512: { side: 32, batchSize: 4 },
  2048: { side: 64, batchSize: 1 },
  8192: { side: 128, batchSize: 1 },
};

/** Numbers of tokens that there is a workload for. */
export const TOKENS = Object.keys(CLIPS).map(Number);

/** Throws on a number of tokens other than those in TOKENS. */
export function createWorkload(tokens: number, depth: Depth): Workload {
  const clips = CLIPS[tokens];
  if (!clips) throw new Error(`tokens is ${tokens}; expected one of ${TOKENS.join(', ')}`);
  const network: VideoDiTConfig = {
    numFrames: 16,
    height: clips.side,
    width: clips.side,
    channels: 3,
    patchSize: [2, 4, 4],
    hiddenSize: 384,
    depth,
    numHeads: 6,
    mlpRatio: 4,
    attention: { kind: 'softmax' },
    numClasses: 10,
  };
  return { tokens: countTokens(network), batchSize: clips.batchSize, network };
}
