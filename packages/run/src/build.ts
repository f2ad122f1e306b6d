import type { Grid } from '@eflow/attention';
import type { MovingDigitsSpec } from '@eflow/data';
import { type Network, splitRows } from '@eflow/flow';
import {
  tokenGrid,
  type VideoDiTConfig,
  type VideoDiTParams,
  validateConfig,
  videoDiT,
  weakVideoDiT,
} from '@eflow/video-dit';
import type { RunConfig } from './config.ts';

/** Classes of moving digits: ten of one, a hundred pairs of two. */
const numClasses = (numDigits: 1 | 2) => 10 ** numDigits;

/** The network that a config describes. Throws if its sizes do not go together. */
export function videoDiTConfig({ data, network }: RunConfig): VideoDiTConfig {
  const config: VideoDiTConfig = { channels: 1, numClasses: numClasses(data.numDigits), ...network };
  validateConfig(config);
  return config;
}

/**
 * Throws if patches do not divide the clips, the batch cannot be split into rows of both kinds, a window is wider than the
 * sequence, or a warm-up never ends.
 */
export function checkTraining(config: RunConfig): void {
  const { optimizer, training } = config;
  if (optimizer.warmupSteps >= training.steps) {
    throw new Error(
      `optimizer.warmupSteps is ${optimizer.warmupSteps}; expected less than training.steps, ${training.steps}`,
    );
  }
  if ('velocityRatio' in config.objective) splitRows(training.batchSize, config.objective.velocityRatio);
  checkWindow(config, trainingGrid(config));
}

function trainingGrid({ data, network }: RunConfig): Grid {
  try {
    return tokenGrid(network, data);
  } catch (error) {
    throw new Error(`data does not suit network.patchSize: ${(error as Error).message}`);
  }
}

function checkWindow(config: RunConfig, grid: Grid): void {
  const { attention } = config.network;
  if (!('windowSize' in attention)) return;
  const { windowSize } = attention;
  const tokens = grid.reduce((a, b) => a * b);
  if (typeof windowSize === 'number') {
    if (windowSize <= tokens) return;
    throw new Error(`network.attention.windowSize is ${windowSize}; a clip has ${tokens} tokens, so at most that`);
  }
  const value = `network.attention.windowSize is [${windowSize.join(', ')}]`;
  if (windowSize.some((side, axis) => side > grid[axis]!) || windowSize.every((side) => side === 0)) {
    throw new Error(`${value}; a clip has ${grid.join(' x ')} tokens, so at most those, and not all 0`);
  }
  if (config.objective.keepRatio < 1) {
    throw new Error(
      `${value}, which counts on the grid of all tokens, and objective.keepRatio is ${config.objective.keepRatio}; ` +
        'set that to 1, or give one number, a window in the order of the tokens that are kept',
    );
  }
}

/** The clips that a config describes, of one split. */
export const movingDigitsSpec = (config: RunConfig, split: MovingDigitsSpec['split']): MovingDigitsSpec => ({
  ...config.data,
  split,
  seed: config.seed,
});

/** The strong and the weak path with parameters bound, as @eflow/flow takes them. The parameters stay the caller's. */
export function bindNetworks(params: VideoDiTParams, config: VideoDiTConfig): { strong: Network; weak: Network } {
  return {
    strong: (input) => videoDiT(params, config, input),
    weak: (input) => weakVideoDiT(params, config, input),
  };
}
