import type { AttentionSpec } from '@eflow/attention';

export const KINDS = ['softmax', 'linear', 'local', 'sla', 'glga'] as const satisfies AttentionSpec['kind'][];

export type Kind = (typeof KINDS)[number];

/** What has the same value at every length. */
export interface Shape {
  /** B */
  batchSize: number;
  /** N */
  numHeads: number;
  /** D */
  headDim: number;
  /** Tokens per side, of 'local' and 'glga'. */
  windowSize: number;
}

/** Share of the tokens that a kernel sees when 75 % of them are dropped. */
export const KEEP_RATIO = 0.25;

/** K: the tokens that are left of L. */
export const keptTokens = (tokens: number): number => Math.max(1, Math.round(tokens * KEEP_RATIO));

/** All lengths that a kernel sees if it is run on so many tokens, dense and with tokens dropped; from the shortest up. */
export const kernelLengths = (tokens: readonly number[]): number[] =>
  [...new Set(tokens.flatMap((count) => [count, keptTokens(count)]))].sort((a, b) => a - b);

export const describeShape = ({ batchSize, numHeads, headDim }: Shape): string =>
  `batch ${batchSize}, ${numHeads} heads of ${headDim}`;

/** The kind with the project's own choice of options. */
export function createSpec(kind: Kind, { windowSize }: Pick<Shape, 'windowSize'>): AttentionSpec {
  switch (kind) {
    case 'softmax':
    case 'sla':
      return { kind };
    case 'linear':
      return { kind, featureMap: 'relu' };
    case 'local':
      return { kind, windowSize };
    case 'glga':
      return { kind, windowSize, featureMap: 'relu' };
  }
}

/** Inputs of a kind that have a gradient. */
export const differentiated = (kind: Kind): ('q' | 'k' | 'v' | 'gate' | 'proj')[] => [
  'q',
  'k',
  'v',
  ...(kind === 'glga' ? (['gate'] as const) : []),
  ...(kind === 'sla' ? (['proj'] as const) : []),
];

export const RUNS = ['forward', 'gradient'] as const;

export type Run = (typeof RUNS)[number];

/** For people. */
export const RUN_NAMES: Readonly<Record<Run, string>> = { forward: 'forward', gradient: 'forward + backward' };

/** Bytes that a call reads and writes at least: the inputs and the output, and in the gradient dy and what it gives besides. */
export function countBytes(kind: Kind, run: Run, length: number, { batchSize, numHeads, headDim }: Shape): number {
  const tensor = batchSize * numHeads * length * headDim;
  const extra = { gate: tensor / headDim, proj: headDim ** 2, q: 0, k: 0, v: 0 };
  const inputs = 3 * tensor + differentiated(kind).reduce((sum, name) => sum + extra[name], 0);
  return 4 * (run === 'forward' ? inputs + tensor : 2 * inputs + 2 * tensor);
}

/** Bytes of all scores [B, N, L, L]. */
export const countScoreBytes = (length: number, { batchSize, numHeads }: Shape): number =>
  4 * batchSize * numHeads * length ** 2;
