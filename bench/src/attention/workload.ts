import {
  type AnyAttentionKind,
  ATTENTION_KINDS,
  type AttentionSpec,
  attentionFlops,
  attentionKind,
  learnedShape,
} from '@eflow/attention';

export type Kind = AttentionSpec['kind'];

export const KINDS: readonly Kind[] = ATTENTION_KINDS.map(({ kind }) => kind);

/** Those that bench/torch has, too. */
export const TORCH_KINDS: readonly Kind[] = ['softmax', 'linear', 'local', 'glga'];

/** What has the same value at every length. */
export interface Shape {
  /** B */
  batchSize: number;
  /** N */
  numHeads: number;
  /** D */
  headDim: number;
  /** Tokens per side, of kinds with a window. */
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

/** The kind with the defaults of its options, and this window if it has one. */
export function createSpec(kind: Kind, { windowSize }: Pick<Shape, 'windowSize'>): AttentionSpec {
  const { schema } = recordOf(kind);
  return schema.parse(hasWindow(kind) ? { kind, windowSize } : { kind }) as AttentionSpec;
}

const recordOf = (kind: Kind): AnyAttentionKind => attentionKind({ kind });

export const hasWindow = (kind: Kind): boolean => 'windowSize' in recordOf(kind).schema.shape;

/** What a kind takes besides q, k and v. */
export const learnedInputs = (kind: Kind, length: number, { batchSize, numHeads, headDim }: Shape) =>
  Object.entries(recordOf(kind).learns).map(([name, { form }]) => ({
    name,
    form,
    shape: learnedShape(form, [batchSize, numHeads, length, headDim]),
  }));

export const RUNS = ['forward', 'gradient'] as const;

export type Run = (typeof RUNS)[number];

/** For people. */
export const RUN_NAMES: Readonly<Record<Run, string>> = { forward: 'forward', gradient: 'forward + backward' };

/** Bytes that a call reads and writes at least: the inputs and the output, and in the gradient dy and what it gives besides. */
export function countBytes(kind: Kind, run: Run, length: number, shape: Shape): number {
  const { batchSize, numHeads, headDim } = shape;
  const tensor = batchSize * numHeads * length * headDim;
  const learned = learnedInputs(kind, length, shape).map((input) => input.shape.reduce((a, b) => a * b));
  const inputs = 3 * tensor + learned.reduce((sum, size) => sum + size, 0);
  return 4 * (run === 'forward' ? inputs + tensor : 2 * inputs + 2 * tensor);
}

/** Bytes of all scores [B, N, L, L]. */
export const countScoreBytes = (length: number, { batchSize, numHeads }: Shape): number =>
  4 * batchSize * numHeads * length ** 2;

/** FLOPs of the matrix products in the definition of a kind with the project's own options. */
export const countFlops = (kind: Kind, run: Run, length: number, shape: Shape): number =>
  attentionFlops(createSpec(kind, shape), { ...shape, length })[run];
