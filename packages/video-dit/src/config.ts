import type { AttentionSpec } from '@eflow/attention';

/** The sizes of a VideoDiT and of the clips that it takes. */
export interface VideoDiTConfig {
  numFrames: number;
  height: number;
  width: number;
  channels: number;
  /** Frames, rows and columns of a patch. */
  patchSize: readonly [pF: number, pH: number, pW: number];
  /** E */
  hiddenSize: number;
  /** Encoder, middle and decoder blocks. */
  depth: readonly [encoder: number, middle: number, decoder: number];
  /** N */
  numHeads: number;
  /** Width of the MLP over E. */
  mlpRatio: number;
  attention: AttentionSpec;
  /** Labels 0 .. numClasses - 1; numClasses itself stands for "no class". */
  numClasses: number;
  /**
   * 'blocks' keeps of every block the inputs alone for the gradient and runs the block again there: the same numbers, for
   * less memory and about a third more work. 'none' unless given.
   */
  checkpoint?: 'none' | 'blocks';
}

/** Tokens in frames, rows and columns. */
export function tokenGrid({ numFrames, height, width, patchSize }: VideoDiTConfig): [number, number, number] {
  return [numFrames / patchSize[0], height / patchSize[1], width / patchSize[2]];
}

/** L, the number of tokens of a clip. */
export const countTokens = (config: VideoDiTConfig): number => tokenGrid(config).reduce((a, b) => a * b);

/** Throws an error that names the first size that cannot be, what would be possible, and leaves a good config alone. */
export function validateConfig(config: VideoDiTConfig): void {
  const { hiddenSize, numHeads, depth, patchSize } = config;
  const axes = [
    ['numFrames', config.numFrames, patchSize[0]],
    ['height', config.height, patchSize[1]],
    ['width', config.width, patchSize[2]],
  ] as const;
  for (const [name, size, patch] of axes) {
    requireInteger(name, size, 1);
    requireInteger(`patchSize (${name})`, patch, 1);
    if (size % patch !== 0) {
      throw new Error(
        `VideoDiT: ${name} ${size} is not a multiple of its patch, ${patch}; patches that divide it: ${divisors(size)}`,
      );
    }
  }
  requireInteger('channels', config.channels, 1);
  requireInteger('numClasses', config.numClasses, 1);
  requireInteger('hiddenSize', hiddenSize, 1);
  requireInteger('numHeads', numHeads, 1);
  if (hiddenSize % numHeads !== 0) {
    throw new Error(
      `VideoDiT: hiddenSize ${hiddenSize} is not a multiple of numHeads ${numHeads}; numbers of heads that divide it: ${divisors(hiddenSize)}`,
    );
  }
  const headDim = hiddenSize / numHeads;
  if (headDim % 2 !== 0 || headDim < 6) {
    throw new Error(
      `VideoDiT: hiddenSize / numHeads is ${headDim}; the rotary embedding needs an even head of at least 6`,
    );
  }
  for (const [i, part] of ['encoder', 'middle', 'decoder'].entries()) requireInteger(`depth (${part})`, depth[i]!, 1);
  if (!(config.mlpRatio > 0)) throw new Error(`VideoDiT: mlpRatio is ${config.mlpRatio}; expected a positive number`);
  const { checkpoint = 'none' } = config;
  if (checkpoint !== 'none' && checkpoint !== 'blocks') {
    throw new Error(`VideoDiT: checkpoint is '${checkpoint satisfies never}'; expected 'none' or 'blocks'`);
  }
}

function requireInteger(name: string, value: number, least: number): void {
  if (!Number.isInteger(value) || value < least) {
    throw new Error(`VideoDiT: ${name} is ${value}; expected an integer of at least ${least}`);
  }
}

const divisors = (n: number) =>
  Array.from({ length: n }, (_, i) => i + 1)
    .filter((d) => n % d === 0)
    .join(', ');
