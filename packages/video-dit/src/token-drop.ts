import type { Grid } from '@eflow/attention';
import { assertShape, type RandomStream, randomUniform, refuseUnknownKeys, splitStream } from '@eflow/tensor';
import * as tf from '@tensorflow/tfjs-core';

/** The shares are SPRINT's (arXiv 2510.21986). */
export const TOKEN_DROP_DEFAULTS = { keepRatio: 0.25, pattern: 'uniform', denseTail: 0.05 } as const;

/** Tokens that stay of `length` at a keep ratio in (0, 1]: at least one. Throws on a ratio outside. */
export function countKept(length: number, keepRatio: number): number {
  if (!(keepRatio > 0 && keepRatio <= 1)) {
    throw new Error(`countKept: keepRatio is ${keepRatio}; expected a share in (0, 1], 0.25 to drop three quarters`);
  }
  return Math.max(1, Math.round(length * keepRatio));
}

/**
 * The share of tokens to keep at `progress`, in [0, 1], of a training: `keepRatio`, and 1 in the last `denseTail` of it,
 * a share in [0, 1]. That stage is dense as sampling is (SPRINT, arXiv 2510.21986).
 */
export function keepRatioAt(
  progress: number,
  {
    keepRatio = TOKEN_DROP_DEFAULTS.keepRatio,
    denseTail = TOKEN_DROP_DEFAULTS.denseTail,
  }: { keepRatio?: number; denseTail?: number } = {},
): number {
  return progress < 1 - denseTail ? keepRatio : 1;
}

export interface KeptTokensOptions {
  /** B */
  batchSize: number;
  /** Frames, rows and columns of the tokens, L in all. */
  grid: Grid;
  /** K / L, in (0, 1]; that of `TOKEN_DROP_DEFAULTS` unless given. */
  keepRatio?: number;
  /**
   * 'uniform': any K tokens, each choice as likely as another. 'structured': spread evenly, so that of n tokens in a group
   * of 2 x 2 x 2 neighbours (fewer at an odd edge) n K / L stay, rounded down or up. 'uniform' unless given.
   */
  pattern?: 'uniform' | 'structured';
}

/**
 * Draws which tokens stay, per example (SPRINT, arXiv 2510.21986): [B, K] int32, ascending in each row, so that kept
 * tokens stay in sequence order. K is `countKept(L, keepRatio)`; every token stays with probability K / L. The caller
 * owns the result. Throws on a size, ratio or pattern that cannot be.
 */
export function drawKeptTokens(stream: RandomStream, options: KeptTokensOptions): tf.Tensor {
  refuseUnknownKeys('drawKeptTokens', options, ['batchSize', 'grid', 'keepRatio', 'pattern']);
  const { keepRatio = TOKEN_DROP_DEFAULTS.keepRatio, pattern = TOKEN_DROP_DEFAULTS.pattern } = options;
  const { batchSize, grid } = options;
  if (![batchSize, ...grid].every((size) => Number.isInteger(size) && size > 0)) {
    throw new Error(
      `drawKeptTokens: batchSize is ${batchSize} and grid [${grid.join(', ')}]; expected integers of at least 1`,
    );
  }
  const length = grid[0] * grid[1] * grid[2];
  const count = countKept(length, keepRatio);
  return tf.tidy(() => {
    switch (pattern) {
      case 'uniform':
        return sortAscending(drawOrder(stream, [batchSize, length], count));
      case 'structured':
        return sortAscending(drawSpread(stream, batchSize, grid, count));
      default:
        throw new Error(`drawKeptTokens: pattern is '${pattern satisfies never}'; expected 'uniform' or 'structured'`);
    }
  });
}

/** The first `count` of a random order of L tokens, per example: [B, count] int32. */
const drawOrder = (stream: RandomStream, [batchSize, length]: [number, number], count: number) =>
  tf.topk(randomUniform(stream, [batchSize, length]), count).indices;

/** Rows [B, K] int32 in ascending order. */
function sortAscending(rows: tf.Tensor): tf.Tensor {
  // topk sorts descending: ascending order is the descending order of the negatives.
  return tf.cast(tf.neg(tf.topk(tf.neg(tf.cast(rows, 'float32')), rows.shape[1]).values), 'int32');
}

/**
 * Systematic sampling, per example: tokens stand in the order of their groups, in random order within one, and of these
 * L places evenly spaced ones are taken, from a random start on: [B, K] int32.
 */
function drawSpread(stream: RandomStream, batchSize: number, grid: Grid, count: number): tf.Tensor {
  const length = grid[0] * grid[1] * grid[2];
  const order = drawOrder(splitStream(stream, 'order'), [batchSize, length], length);
  // topk puts the first of equals first, so that a group's tokens keep their order.
  const byGroup = tf.topk(tf.neg(tf.gather(groupNumbers(grid), order)), length).indices;
  const share = randomUniform(splitStream(stream, 'start'), [batchSize, 1]);
  // A product may be rounded up to `length` itself. (A remainder of integers would not do: WebGPU takes it in float32.)
  const start = tf.minimum(tf.cast(tf.floor(tf.mul(share, length)), 'int32'), int(length - 1));
  return pick(order, pick(byGroup, evenPlaces(start, length, count)));
}

/** Number of the group of 2 x 2 x 2 tokens that each is in: [L] float32. */
function groupNumbers(grid: Grid): tf.Tensor1D {
  const [f, h, w] = grid.map((size) => tf.floor(tf.mul(tf.range(0, size), 0.5))) as [tf.Tensor, tf.Tensor, tf.Tensor];
  const [rows, columns] = [Math.ceil(grid[1] / 2), Math.ceil(grid[2] / 2)];
  const ofRow = tf.add(tf.mul(tf.expandDims(f, 1), rows), h);
  return tf.reshape(tf.add(tf.mul(tf.expandDims(ofRow, 2), columns), w), [-1]);
}

/**
 * K of L places, evenly spaced: floor((i L - start - 1) / K) for i = 1 .. K, start [B, 1] int32 in [0, L) -> [B, K] int32.
 * Each place is there for K of the L starts, and of any n places in a row n K / L are, rounded down or up.
 */
function evenPlaces(start: tf.Tensor, length: number, count: number): tf.Tensor {
  // With L = q K + m the place is i q + floor((i m - start - 1) / K): where L / K is nearly whole, m is small.
  const whole = Math.round(length / count);
  const rest = length - whole * count;
  if (count * Math.abs(rest) + length >= 2 ** 31) {
    throw new Error(
      `drawKeptTokens: ${count} of ${length} tokens is beyond int32 in the structured pattern; expected a keepRatio near 1 / ${whole}, or the uniform pattern`,
    );
  }
  const i = tf.range(1, count + 1, 1, 'int32');
  const shift = tf.floorDiv(tf.sub(tf.mul(i, int(rest)), tf.add(start, int(1))), int(count));
  return tf.add(tf.mul(i, int(whole)), shift);
}

const int = (value: number) => tf.scalar(value, 'int32');

/** Values at places: [B, L], [B, K] int32 -> [B, K]. */
const pick = (values: tf.Tensor, places: tf.Tensor) =>
  tf.reshape(tf.gather(tf.reshape(values, [-1]), flatIndices(places, values.shape[1]!)), places.shape);

/** Indices [B, K] into each example's L tokens -> indices [B K] into all B L tokens. */
function flatIndices(kept: tf.Tensor, length: number): tf.Tensor1D {
  const [batchSize, count] = kept.shape as [number, number];
  const offsets = tf.mul(tf.range(0, batchSize, 1, 'int32'), tf.scalar(length, 'int32'));
  return tf.reshape(tf.add(kept, tf.expandDims(offsets, 1)), [batchSize * count]);
}

const gatherRows = (x: tf.Tensor, kept: tf.Tensor, [B, L, E]: number[]) =>
  tf.reshape(tf.gather(tf.reshape(x, [B! * L!, E!]), flatIndices(kept, L!)), [B!, kept.shape[1]!, E!]);

function scatterRows(x: tf.Tensor, kept: tf.Tensor, [B, L, E]: number[]): tf.Tensor {
  const rows = tf.reshape(x, [B! * kept.shape[1]!, E!]);
  const indices = tf.expandDims(flatIndices(kept, L!), 1);
  return tf.reshape(tf.scatterND(indices, rows, [B! * L!, E!]), [B!, L!, E!]);
}

/**
 * The kept tokens: x [B, L, E], kept [B, K] -> [B, K, E], owned by the caller. Its gradient is one scatter, where that
 * of tfjs' batched gather loops over the batch.
 */
export function gatherTokens(x: tf.Tensor, kept: tf.Tensor): tf.Tensor {
  const { B } = assertShape('gatherTokens', 'x', x, ['B', 'L', 'E']);
  assertShape('gatherTokens', 'kept', kept, [B, 'K']);
  const shape = x.shape;
  return tf.customGrad((input, save) => {
    (save as tf.GradSaveFunc)([kept]);
    return {
      value: gatherRows(input as tf.Tensor, kept, shape),
      gradFunc: (dy: tf.Tensor, saved: tf.Tensor[]) => tf.tidy(() => scatterRows(dy, saved[0]!, shape)),
    };
  })(x);
}

/**
 * Puts kept tokens back in their places and a mask token everywhere else: x [B, K, E], kept [B, K],
 * maskToken [E] -> [B, L, E], owned by the caller.
 */
export function restoreTokens(x: tf.Tensor, kept: tf.Tensor, maskToken: tf.Tensor, length: number): tf.Tensor {
  const { B, K, E } = assertShape('restoreTokens', 'x', x, ['B', 'K', 'E']);
  assertShape('restoreTokens', 'kept', kept, [B, K]);
  assertShape('restoreTokens', 'maskToken', maskToken, [E]);
  const shape = [B, length, E];
  return tf.tidy(() => {
    const scattered = tf.customGrad((input, save) => {
      (save as tf.GradSaveFunc)([kept]);
      return {
        value: scatterRows(input as tf.Tensor, kept, shape),
        gradFunc: (dy: tf.Tensor, saved: tf.Tensor[]) => tf.tidy(() => gatherRows(dy, saved[0]!, shape)),
      };
    })(x);
    const dropped = tf.sub(1, scatterRows(tf.fill([B, K, 1], 1), kept, [B, length, 1]));
    return tf.add(scattered, tf.mul(dropped, maskToken));
  });
}
