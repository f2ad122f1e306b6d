import * as tf from '@tensorflow/tfjs-core';
import * as z from 'zod';
import { attend } from './attend.ts';
import { type AttentionInputs, assertCount, assertInputs } from './inputs.ts';
import { type AttentionKind, count, type HeadSizes, type TrainingTokens } from './kind.ts';
import { nativeAttention } from './native.ts';
import { type Sees, softmaxSum } from './oracle.ts';
import { rotate } from './rotary.ts';
import { composedSoftmax } from './softmax.ts';
import { chooseCuts, cutQueries, cutTiles, type Grid, joinTiles, visibleKeys } from './tiles.ts';

/** Tokens per side: in sequence order, or in frames, rows and columns. */
export type WindowSize = number | Grid;

/** Our choice: the paper gives none. */
export const DEFAULT_WINDOW_SIZE = 64;

export const windowSizeSchema = count.describe('tokens per side');
const side = z.int().min(0);
const schema = z.strictObject({
  kind: z.literal('local'),
  windowSize: z
    .union([windowSizeSchema, z.tuple([side, side, side]).readonly()])
    .default(DEFAULT_WINDOW_SIZE)
    .describe('tokens per side, or frames, rows and columns per side, which keepRatio 1 is for'),
});

export const slidingWindowKind = {
  kind: 'local',
  name: 'local',
  schema,
  examples: [
    { kind: 'local', windowSize: 2 },
    { kind: 'local', windowSize: [1, 1, 0] },
  ],
  learns: {},
  attend: (inputs, { windowSize }) => slidingWindowAttention(inputs, windowSize),
  oracle: (head, { windowSize }, _learned, grid) => softmaxSum(head, seesWithin(windowSize, grid)),
  products: ({ windowSize }, sizes) => ({ pairs: 2 * sizes.headDim * countVisiblePairs(windowSize, sizes) }),
  check: ({ windowSize }, tokens) => checkWindow(windowSize, tokens),
} satisfies AttentionKind<typeof schema>;

/** Taken off the scores outside the window; exp of what is left is exactly 0 in float32. */
const MASKED = 1e9;

/**
 * Softmax attention in which token i sees the tokens j with |i - j| <= windowSize, in sequence order; with a window
 * [f, h, w] and the tokens' `grid` [F, H, W], L = F H W, those at most f frames, h rows and w columns away. At the ends the
 * window is cut, never padded; one that spans the sequence makes full softmax attention. Tokens are cut into tiles, each
 * against the neighbourhood that its windows cover. Returns [B, N, L, D], owned by the caller; cost and memory
 * O(L windowSize), or L times the tokens of a window. Throws if the shapes disagree, if windowSize is not a positive
 * integer or three of at least 0 and not all 0, or if a window [f, h, w] comes without the grid of the tokens.
 */
export function slidingWindowAttention(
  inputs: AttentionInputs & { grid?: Grid },
  windowSize: WindowSize = DEFAULT_WINDOW_SIZE,
): tf.Tensor {
  const { L } = assertInputs('slidingWindowAttention', inputs);
  assertWindow('slidingWindowAttention', windowSize, L, inputs.grid);
  const native = typeof windowSize === 'number' ? nativeAttention(inputs, { windowSize }) : undefined;
  return native ?? composedSlidingWindow(inputs, windowSize);
}

/** Throws, as `slidingWindowAttention` does, unless L tokens, on a grid if they are on one, can have such windows. */
function assertWindow(fn: string, windowSize: WindowSize, L: number, grid?: Grid): void {
  if (typeof windowSize === 'number') {
    assertCount(fn, 'windowSize', windowSize, 'tokens per side');
    return;
  }
  const where = `${fn}: windowSize is [${windowSize.join(', ')}]`;
  const possible = windowSize.length === 3 && windowSize.every((side) => Number.isInteger(side) && side >= 0);
  if (!possible || windowSize.every((side) => side === 0)) {
    throw new Error(`${where}; expected frames, rows and columns per side, integers of at least 0 and not all 0`);
  }
  if (!grid) {
    throw new Error(`${where}; it needs the grid [F, H, W] of the tokens, which tokens that were dropped do not have`);
  }
  if (grid.length !== 3 || grid.some((side) => !Number.isInteger(side)) || grid[0] * grid[1] * grid[2] !== L) {
    throw new Error(`${where} on a grid [${grid.join(', ')}]; expected F H W = L, the ${L} tokens`);
  }
}

/** The same of TensorFlow.js ops alone, of inputs that are checked. */
export function composedSlidingWindow(inputs: AttentionInputs & { grid?: Grid }, windowSize: WindowSize): tf.Tensor {
  const { q, k, v, rotary } = inputs;
  const [B, N, L, D] = q.shape as [number, number, number, number];
  const window: Grid = typeof windowSize === 'number' ? [0, 0, windowSize] : windowSize;
  const grid: Grid = typeof windowSize === 'number' ? [1, 1, L] : inputs.grid!;
  if (grid.every((length, axis) => window[axis]! >= length - 1)) return composedSoftmax(inputs);
  const cuts = chooseCuts(grid, window);
  return tf.tidy(() => {
    const flat = (x: tf.Tensor) => tf.reshape(x, [B * N, L, D]);
    const queries = tf.mul(rotary ? rotate(q, rotary) : q, 1 / Math.sqrt(D));
    const keys = rotary ? rotate(k, rotary) : k;
    const mask = tf.mul(tf.sub(visibleKeys(cuts, window), 1), MASKED);
    const output = attend(cutQueries(flat(queries), cuts), cutTiles(flat(keys), cuts), cutTiles(flat(v), cuts), mask);
    return tf.reshape(joinTiles(output, cuts), [B, N, L, D]);
  });
}

/** Whether token i sees token j, for the oracle. */
export function seesWithin(windowSize: WindowSize, grid?: Grid): Sees {
  if (typeof windowSize === 'number') return (i, j) => Math.abs(i - j) <= windowSize;
  const [frames, rows, columns] = grid!;
  const places = Array.from({ length: frames * rows * columns }, (_, i) => [
    Math.floor(i / (rows * columns)),
    Math.floor(i / columns) % rows,
    i % columns,
  ]);
  return (i, j) => windowSize.every((side, axis) => Math.abs(places[i]![axis]! - places[j]![axis]!) <= side);
}

/** Pairs of tokens (i, j) of which i's window shows j; a window on a grid has them per axis. */
export function countVisiblePairs(windowSize: WindowSize, { length, grid }: HeadSizes): number {
  assertWindow('attentionFlops', windowSize, length, grid);
  if (typeof windowSize === 'number') return countAxisPairs(length, windowSize);
  return grid!.reduce((pairs, side, axis) => pairs * countAxisPairs(side, windowSize[axis]!), 1);
}

function countAxisPairs(length: number, windowSize: number): number {
  const window = Math.min(windowSize, length - 1);
  return length * (2 * window + 1) - window * (window + 1);
}

/** Throws if a window is wider than a clip, sees nothing, or is on the grid of tokens that training drops. */
export function checkWindow(windowSize: WindowSize, { grid, keepRatio }: TrainingTokens): void {
  const tokens = grid[0] * grid[1] * grid[2];
  if (typeof windowSize === 'number') {
    if (windowSize <= tokens) return;
    throw new Error(`windowSize is ${windowSize}; a clip has ${tokens} tokens, so at most that`);
  }
  const value = `windowSize is [${windowSize.join(', ')}]`;
  if (windowSize.some((side, axis) => side > grid[axis]!) || windowSize.every((side) => side === 0)) {
    throw new Error(`${value}; a clip has ${grid.join(' x ')} tokens, so at most those, and not all 0`);
  }
  if (keepRatio < 1) {
    throw new Error(
      `${value}, which counts on the grid of all tokens, and keepRatio is ${keepRatio}; ` +
        'set that to 1, or give one number, a window in the order of the tokens that are kept',
    );
  }
}
