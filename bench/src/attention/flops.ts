import { SLA_DEFAULTS } from '@eflow/attention';
import type { Kind, Run, Shape } from './workload.ts';

/** Pairs of tokens (i, j) with |i - j| <= windowSize. */
export function countVisiblePairs(length: number, windowSize: number): number {
  const window = Math.min(windowSize, length - 1);
  return length * (2 * window + 1) - window * (window + 1);
}

/**
 * FLOPs of forward and backward together over those of forward. Softmax attention has two products and its gradient five:
 * the scores once more, and those of the slopes, q, k and v; other recomputation is an implementation's own affair. Linear
 * attention's products have two in the gradient for each of their own.
 */
const GRADIENT_FACTOR = { pairs: 1 + 5 / 2, linear: 1 + 2 };

/**
 * FLOPs of the matrix products in a kind's definition, two for each multiplication: for each visible pair of tokens a
 * product of q and k and one with v; in linear attention the state, its product with q, and the denominator. SLA's are
 * those of its exact blocks, its linear branch and the product with proj; the choice of blocks is left out.
 */
export function countFlops(kind: Kind, run: Run, length: number, shape: Shape): number {
  const { pairs, linear } = countForward(kind, length, shape);
  const factor = run === 'forward' ? { pairs: 1, linear: 1 } : GRADIENT_FACTOR;
  return shape.batchSize * shape.numHeads * (pairs * factor.pairs + linear * factor.linear);
}

/** Of one head: over pairs of tokens, and linear in them. */
function countForward(kind: Kind, L: number, { headDim: D, windowSize }: Shape): { pairs: number; linear: number } {
  const perPair = 4 * D;
  const linear = 4 * L * D ** 2 + 2 * L * D;
  switch (kind) {
    case 'softmax':
      return { pairs: perPair * L ** 2, linear: 0 };
    case 'local':
      return { pairs: perPair * countVisiblePairs(L, windowSize), linear: 0 };
    case 'linear':
      return { pairs: 0, linear };
    case 'glga':
      return { pairs: perPair * countVisiblePairs(L, windowSize), linear };
    case 'sla': {
      const { blockSize, topRatio } = SLA_DEFAULTS;
      const top = Math.max(1, Math.floor(topRatio * Math.ceil(L / blockSize)));
      return { pairs: perPair * L * Math.min(L, top * blockSize), linear: linear + 2 * L * D ** 2 };
    }
  }
}
