import type { AttentionSpec } from '@eflow/attention';
import type { MovingDigitsSpec } from '@eflow/data';
import { EFLOW_DEFAULTS } from '@eflow/flow';
import type { VideoDiTConfig } from '@eflow/video-dit';

/**
 * The kinds under study. SLA's blocks are of 4 tokens: of a sequence of 256 that is the share that its 64 are of one of
 * 4,096, so that the drop leaves it blocks to choose among.
 */
export const KINDS = {
  softmax: { kind: 'softmax' },
  linear: { kind: 'linear', featureMap: 'relu' },
  local: { kind: 'local', windowSize: 16 },
  sla: { kind: 'sla', blockSize: 4, variant: 'paper' },
  'sla-code': { kind: 'sla', blockSize: 4, variant: 'code' },
  glga: { kind: 'glga', windowSize: 16, featureMap: 'relu' },
} as const satisfies Record<string, AttentionSpec>;

export type Kind = keyof typeof KINDS;

/** Shares of the middle's tokens that training drops. */
export const RATES = [0, 0.25, 0.5, 0.75, 0.9, 0.95];

export const CLIPS: Omit<MovingDigitsSpec, 'split' | 'seed'> = {
  numFrames: 8,
  height: 16,
  width: 16,
  digitSize: 12,
  numDigits: 1,
  minSpeed: 0.3,
  maxSpeed: 1,
};

/** 256 tokens in a grid of 4 x 8 x 8: small enough for a step of some hundredths of a second. */
export const networkFor = (kind: Kind): VideoDiTConfig => ({
  channels: 1,
  numClasses: 10,
  patchSize: [2, 2, 2],
  hiddenSize: 48,
  depth: [1, 2, 1],
  numHeads: 3,
  mlpRatio: 4,
  attention: KINDS[kind],
});

/** Plain flow matching; the optimizer is that of the preset digits-tiny. */
export const TRAINING = {
  velocityTime: EFLOW_DEFAULTS.velocityTime,
  warmupSteps: 20,
  betas: [0.9, 0.99] as const,
  clipNorm: 1,
};

/** What the cells of one study have in common. */
export interface Settings {
  steps: number;
  batchSize: number;
  learningRate: number;
  seed: number;
}
