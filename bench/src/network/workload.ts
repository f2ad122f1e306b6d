import { attentionFlops } from '@eflow/attention';
import { type ClipSize, countKept, countNetwork, type FullVideoDiTConfig, type VideoDiTConfig } from '@eflow/video-dit';

/** A config that says which attention it has. */
export type Network = VideoDiTConfig & Pick<FullVideoDiTConfig, 'attention'>;

/** What contestants compute: one network on one batch. */
export interface Workload {
  /** L, of one clip. */
  tokens: number;
  /** B */
  batchSize: number;
  clip: ClipSize;
  network: Network;
  /** Share of tokens that the middle sees in a forward pass and in a step, in (0, 1]. */
  keepRatio: number;
}

export const RUNS = ['forward', 'weak', 'step'] as const;

export type Run = (typeof RUNS)[number];

/** The runs that give a prediction. */
export type Prediction = Exclude<Run, 'step'>;

/** For people. */
export const RUN_NAMES: Readonly<Record<Run, string>> = {
  forward: 'forward',
  weak: 'weak path',
  step: 'training step',
};

export type Depth = VideoDiTConfig['depth'];

/** The sizes of networks, unless others are asked for: clips of RGB pixels, 16 frames of them. */
export const NETWORK = {
  channels: 3,
  patchSize: [2, 4, 4],
  hiddenSize: 384,
  numHeads: 6,
  mlpRatio: 4,
  numClasses: 10,
} as const satisfies Partial<VideoDiTConfig>;

/** Patches of 8 frames, whatever their size. */
const BATCHES: Readonly<Record<number, { rows: number; columns: number; batchSize: number }>> = {
  512: { rows: 8, columns: 8, batchSize: 4 },
  1024: { rows: 8, columns: 16, batchSize: 2 },
  2048: { rows: 16, columns: 16, batchSize: 1 },
  4096: { rows: 16, columns: 32, batchSize: 1 },
  8192: { rows: 32, columns: 32, batchSize: 1 },
  16384: { rows: 32, columns: 64, batchSize: 1 },
};

/** Numbers of tokens that there is a workload for. */
export const TOKENS = Object.keys(BATCHES).map(Number);

/** Throws on a number of tokens other than those in TOKENS. */
export function createWorkload(tokens: number, network: Network, keepRatio = 1): Workload {
  const batch = BATCHES[tokens];
  if (!batch) throw new Error(`tokens is ${tokens}; expected one of ${TOKENS.join(', ')}`);
  const [pF, pH, pW] = network.patchSize;
  const clip = { numFrames: 8 * pF, height: batch.rows * pH, width: batch.columns * pW };
  return { tokens, batchSize: batch.batchSize, clip, network, keepRatio };
}

/** FLOPs of the matrix products that the network's definition has in each run. */
export function countFlops({ network, clip, batchSize, keepRatio }: Workload): Record<Run, number> {
  const { forwardFlops, weakFlops, stepFlops } = countNetwork(network, clip, { batchSize, keepRatio });
  return { forward: forwardFlops, weak: weakFlops, step: stepFlops };
}

/** FLOPs of a step's matrix products in the middle but those of attention, which native kernels keep out of graphs. */
export function countMiddle({ network, clip, batchSize, tokens, keepRatio }: Workload): number {
  const { attention, numHeads, hiddenSize, depth } = network;
  const { parts } = countNetwork(network, clip, { batchSize, keepRatio });
  const heads = { batchSize, numHeads, headDim: hiddenSize / numHeads, length: countKept(tokens, keepRatio) };
  return parts.middle.stepFlops - depth[1] * attentionFlops(attention, heads).gradient;
}
