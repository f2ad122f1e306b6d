import * as tf from '@tensorflow/tfjs-core';
import { attend } from './attend.ts';
import { type AttentionInputs, assertCount, assertInputs } from './inputs.ts';
import { nativeAttention } from './native.ts';
import { rotate } from './rotary.ts';
import { composedSoftmax } from './softmax.ts';
import { chooseCuts, cutQueries, cutTiles, type Grid, joinTiles, visibleKeys } from './tiles.ts';

/** Tokens per side: in sequence order, or in frames, rows and columns. */
export type WindowSize = number | Grid;

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
export function slidingWindowAttention(inputs: AttentionInputs & { grid?: Grid }, windowSize: WindowSize): tf.Tensor {
  const { L } = assertInputs('slidingWindowAttention', inputs);
  assertWindow('slidingWindowAttention', windowSize, L, inputs.grid);
  const native = typeof windowSize === 'number' ? nativeAttention(inputs, { windowSize }) : undefined;
  return native ?? composedSlidingWindow(inputs, windowSize);
}

/** Throws, as `slidingWindowAttention` does, unless L tokens, on a grid if they are on one, can have such windows. */
export function assertWindow(fn: string, windowSize: WindowSize, L: number, grid?: Grid): void {
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
