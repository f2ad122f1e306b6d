import { ATTENTION_KINDS, type AttentionSpec, attentionKind } from './attention.ts';
import { assertCount } from './inputs.ts';
import { type AnyAttentionKind, fillIn, type Products } from './kind.ts';
import type { Grid } from './tiles.ts';

/** FLOPs of matrix products, two for each multiplication. */
export interface Flops {
  forward: number;
  /** Forward and backward together. */
  gradient: number;
}

/** Lengths of q, k and v [B, N, L, D]. */
interface AttentionLengths {
  /** B; 1 unless given. */
  batchSize?: number;
  /** N */
  numHeads: number;
  /** L */
  length: number;
  /** D */
  headDim: number;
}

/**
 * FLOPs of the matrix products in a kind's definition, given what `attention` takes. For each pair of a token and one that
 * it sees there is a product of q and k and one with v. Linear attention has the state, its product with q, and that of q
 * with the sum of keys, its denominator; block by block the same, since running sums have no products. SLA has those of
 * its exact blocks, taken as whole, of its linear branch and of proj; the order of the blocks is left out, as are GLGA's
 * gate and rotary. In the gradient softmax has five products for its two: the scores once more, and those of the slopes,
 * q, k and v (Dao et al., arXiv 2205.14135); linear attention two for each. What an implementation does besides is its own
 * affair: scores beyond a window, zeros after a last block. `grid` is for windows [f, h, w]. Throws, as the kernel does, if
 * a length or an option cannot be, or the kind is not among `kinds`.
 */
export function attentionFlops(
  spec: AttentionSpec,
  { batchSize = 1, numHeads, length, headDim, grid }: AttentionLengths & { grid?: Grid | undefined },
  kinds: readonly AnyAttentionKind[] = ATTENTION_KINDS,
): Flops {
  assertLengths('attentionFlops', { batchSize, numHeads, length, headDim });
  const kind = attentionKind(spec, kinds);
  return countFlops(
    batchSize * numHeads,
    kind.products(fillIn('attentionFlops', kind.schema, spec), { length, headDim, grid }),
  );
}

/**
 * The same of cross-attention of `length` tokens, L, to `contextLength` vectors, S, which all count, there or not. Throws
 * unless lengths are positive integers.
 */
export function crossAttentionFlops({
  batchSize = 1,
  numHeads,
  length,
  contextLength,
  headDim,
}: AttentionLengths & { contextLength: number }): Flops {
  assertLengths('crossAttentionFlops', { batchSize, numHeads, length, contextLength, headDim });
  return countFlops(batchSize * numHeads, { pairs: 2 * headDim * length * contextLength });
}

function assertLengths(where: string, lengths: Record<string, number>): void {
  for (const [name, value] of Object.entries(lengths)) assertCount(where, name, value, 'a length');
}

const countFlops = (heads: number, { pairs = 0, linear = 0 }: Products): Flops => ({
  forward: 2 * heads * (pairs + linear),
  gradient: 2 * heads * (pairs * (1 + 5 / 2) + linear * (1 + 2)),
});
