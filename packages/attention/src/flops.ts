import type { AttentionSpec } from './attention.ts';
import { assertCount } from './inputs.ts';
import { assertWindow, type WindowSize } from './sliding-window.ts';
import { planBlocks } from './sparse-linear.ts';
import type { Grid } from './tiles.ts';

/** FLOPs of matrix products, two for each multiplication. */
export interface Flops {
  forward: number;
  /** Of forward and backward together. */
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

/** Multiplications of one head: over pairs of tokens, and linear in them. */
interface Products {
  pairs?: number;
  linear?: number;
}

/**
 * FLOPs of the matrix products in a kind's definition, given what `attention` takes. For each pair of a token and one that
 * it sees there is a product of q and k and one with v. Linear attention has the state, its product with q, and that of q
 * with the sum of keys, its denominator; block by block the same, since running sums have no products. SLA has those of
 * its exact blocks, taken as whole, of its linear branch and of proj; the order of the blocks is left out, as are GLGA's
 * gate and rotary. In the gradient softmax has five products for its two: the scores once more, and those of the slopes,
 * q, k and v (Dao et al., arXiv 2205.14135); linear attention two for each. What an implementation does besides is its own
 * affair: scores beyond a window, zeros after a last block. `grid` is for windows [f, h, w]. Throws, as the kernel does, if
 * a length or an option cannot be.
 */
export function attentionFlops(
  spec: AttentionSpec,
  { batchSize = 1, numHeads, length, headDim, grid }: AttentionLengths & { grid?: Grid | undefined },
): Flops {
  assertLengths('attentionFlops', { batchSize, numHeads, length, headDim });
  return countFlops(batchSize * numHeads, countProducts(spec, length, headDim, grid));
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

function countProducts(spec: AttentionSpec, L: number, D: number, grid: Grid | undefined): Products {
  const linear = 2 * L * D ** 2 + L * D;
  switch (spec.kind) {
    case 'softmax':
      return { pairs: 2 * D * L ** 2 };
    case 'linear':
      if (spec.causalBlockSize !== undefined) {
        assertCount('attentionFlops', 'causalBlockSize', spec.causalBlockSize, 'tokens of a block');
      }
      return { linear };
    case 'local':
      return { pairs: 2 * D * countVisiblePairs(spec.windowSize, L, grid) };
    case 'sla': {
      const { top, blockSize } = planBlocks('attentionFlops', L, spec);
      return { pairs: 2 * D * L * Math.min(L, top * blockSize), linear: linear + L * D ** 2 };
    }
    case 'glga':
      return { pairs: 2 * D * countVisiblePairs(spec.windowSize, L), linear };
    default:
      throw new Error(
        `attentionFlops: unknown kind in ${JSON.stringify(spec satisfies never)}; expected softmax, linear, local, sla or glga`,
      );
  }
}

/** Pairs of tokens (i, j) of which i's window shows j; a window on a grid has them per axis. */
function countVisiblePairs(windowSize: WindowSize, L: number, grid?: Grid): number {
  assertWindow('attentionFlops', windowSize, L, grid);
  if (typeof windowSize === 'number') return countAxisPairs(L, windowSize);
  return grid!.reduce((pairs, length, axis) => pairs * countAxisPairs(length, windowSize[axis]!), 1);
}

function countAxisPairs(length: number, windowSize: number): number {
  const window = Math.min(windowSize, length - 1);
  return length * (2 * window + 1) - window * (window + 1);
}
