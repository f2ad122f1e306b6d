import { expectClose, expectNoLeak } from '@eflow/testing';
import * as tf from '@tensorflow/tfjs-core';
import fc from 'fast-check';
import { describe, expect, it, vi } from 'vitest';
import {
  checkGradients,
  checkValues,
  drawInputs,
  gradientsOf,
  largestTensor,
  type Shape,
} from '../fixtures/check-kernel.ts';
import { slidingWindowAttention } from './sliding-window.ts';
import { softmaxAttention } from './softmax.ts';
import type { Grid } from './tiles.ts';

vi.stubEnv('EFLOW_NATIVE', '0'); // the composed form

describe.each([1, 2, 5])('slidingWindowAttention, +-%d', (windowSize) => {
  it.each<[string, Shape]>([
    ['prime sizes', [2, 3, 17, 10]],
    ['shorter than the window', [1, 2, 2, 6]],
    ['one token', [3, 1, 1, 6]],
    ['a multiple of the window', [1, 1, 30, 6]],
    ['many tiles', [1, 1, 131, 6]],
  ])('has the values and gradients of the float64 oracle: %s', (_case, shape) => {
    const inputs = drawInputs(shape, 1);
    checkValues({ kind: 'local', windowSize }, inputs);
    checkGradients({ kind: 'local', windowSize }, inputs);
  });
});

describe.each<[Grid, Grid]>([
  [
    [3, 5, 7],
    [1, 1, 2],
  ],
  [
    [3, 5, 7],
    [0, 2, 1],
  ],
  [
    [11, 3, 2],
    [1, 0, 0],
  ],
  [
    [2, 1, 41],
    [3, 0, 2],
  ],
  [
    [5, 5, 5],
    [1, 1, 1],
  ],
])('slidingWindowAttention on a grid %j, +-%j', (grid, windowSize) => {
  it('has the values and gradients of the float64 oracle', () => {
    const inputs = drawInputs([2, 1, grid[0] * grid[1] * grid[2], 6], 1, grid);
    checkValues({ kind: 'local', windowSize }, inputs);
    checkGradients({ kind: 'local', windowSize }, inputs);
  });

  it('leaves no tensors behind, forward or backward', () => {
    const inputs = drawInputs([1, 2, grid[0] * grid[1] * grid[2], 6], 4, grid);
    expectNoLeak(() => slidingWindowAttention(inputs, windowSize));
    expectNoLeak(() => gradientsOf((at) => slidingWindowAttention(at, windowSize), inputs));
  });
});

describe('identities of the sliding window', () => {
  const close = { rtol: 1e-5, atol: 1e-6 };
  const side = fc.integer({ min: 1, max: 5 });

  it('a window of at least the length, or the grid, is full softmax', () => {
    fc.assert(
      fc.property(side, side, side, fc.nat(3), fc.nat(1000), (frames, rows, columns, extra, seed) => {
        const L = frames * rows * columns;
        const inputs = drawInputs([1, 2, L, 6], seed, [frames, rows, columns]);
        const full = softmaxAttention(inputs);
        expectClose(slidingWindowAttention(inputs, L + extra), full, close);
        expectClose(slidingWindowAttention(inputs, [frames + extra, rows, columns]), full, close);
      }),
      { numRuns: 20 },
    );
  });

  it('a row of tokens is a grid of one row', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 60 }), side, fc.nat(2), fc.nat(1000), (L, windowSize, axis, seed) => {
        const inputs = drawInputs([1, 2, L, 6], seed);
        const grid = [1, 1, 1].with(axis, L) as [number, number, number];
        const window = [0, 0, 0].with(axis, windowSize) as [number, number, number];
        const onGrid = slidingWindowAttention({ ...inputs, grid }, window);
        expectClose(onGrid, slidingWindowAttention(inputs, windowSize), close);
      }),
      { numRuns: 20 },
    );
  });

  it('frames that do not see each other are clips of their own', () => {
    const [frames, rows, columns] = [3, 4, 5];
    const { rotary: _, ...inputs } = drawInputs([1, 2, 60, 6], 5, [frames, rows, columns]);
    const together = slidingWindowAttention(inputs, [0, 1, 2]);
    const clips = Object.fromEntries(
      (['q', 'k', 'v'] as const).map((name) => [name, tf.concat(tf.split(inputs[name], frames, 2), 0)]),
    ) as { q: tf.Tensor; k: tf.Tensor; v: tf.Tensor };
    const apart = slidingWindowAttention({ ...clips, grid: [1, rows, columns] }, [0, 1, 2]);
    expectClose(together, tf.concat(tf.split(apart, frames, 0), 2), close);
  });

  it('tokens beyond the window have no influence at all', () => {
    fc.assert(
      fc.property(fc.integer({ min: 8, max: 40 }), side, fc.nat(1000), (length, windowSize, seed) => {
        const inputs = drawInputs([1, 1, length, 6], seed);
        // Replace every key and value more than windowSize away from token 0 by huge numbers.
        const far = tf.cast(tf.reshape(tf.greater(tf.range(0, length), windowSize), [1, 1, length, 1]), 'float32');
        const spoiled = { ...inputs, k: tf.add(inputs.k, tf.mul(far, 1e3)), v: tf.add(inputs.v, tf.mul(far, 1e6)) };
        const first = (x: tf.Tensor) => tf.slice(x, [0, 0, 0, 0], [1, 1, 1, 6]);
        const run = (at: typeof inputs) => first(slidingWindowAttention(at, windowSize));
        expectClose(run(spoiled), run(inputs), { rtol: 1e-6, atol: 0 });
      }),
      { numRuns: 20 },
    );
  });
});

describe('the largest tensor that is made', () => {
  const largest = async (grid: Grid, windowSize: number | Grid) => {
    const inputs = drawInputs([1, 1, grid[0] * grid[1] * grid[2], 6], 6, grid);
    const run = (at: typeof inputs) => slidingWindowAttention(at, windowSize);
    return Math.max(await largestTensor(() => run(inputs)), await largestTensor(() => gradientsOf(run, inputs)));
  };

  it('grows with the length, not with its square', async () => {
    for (const [grid, window] of [
      [(n) => [1, 1, 300 * n], [0, 0, 4]],
      [(n) => [8 * n, 6, 6], [1, 1, 1]],
    ] as [(n: number) => Grid, Grid][]) {
      const [one, four] = [await largest(grid(1), window), await largest(grid(4), window)];
      expect(four / one).toBeLessThan(4.5);
    }
  });

  it.each<[Grid, Grid]>([
    [
      [1, 1, 4096],
      [0, 0, 64],
    ],
    [
      [1, 1, 4096],
      [0, 0, 1],
    ],
    [
      [8, 16, 16],
      [1, 3, 3],
    ],
    [
      [16, 16, 16],
      [1, 1, 1],
    ],
    [
      [8, 32, 32],
      [2, 2, 2],
    ],
  ])('is a few windows for each token: %j, +-%j', async (grid, window) => {
    const pairs = grid.reduce((product, length, axis) => product * length * Math.min(2 * window[axis]! + 1, length), 1);
    expect((await largest(grid, window)) / pairs).toBeLessThan(6);
  });
});

describe('bad input', () => {
  const inputs = drawInputs([2, 1, 12, 6], 7, [3, 2, 2]);

  it.each([0, -1, 1.5, Number.NaN, Number.POSITIVE_INFINITY])('refuses a window of %d', (windowSize) => {
    expect(() => slidingWindowAttention(inputs, windowSize)).toThrow(
      `windowSize is ${windowSize}; expected tokens per side`,
    );
  });

  it.each<[number, number, number]>([
    [0, 0, 0],
    [1, -1, 1],
    [1, 0.5, 1],
  ])('refuses a window of [%d, %d, %d]', (...windowSize) => {
    expect(() => slidingWindowAttention(inputs, windowSize)).toThrow(
      `windowSize is [${windowSize.join(', ')}]; expected frames, rows and columns per side`,
    );
  });

  it('refuses a window [f, h, w] without a grid, or with one of other tokens, quoting both', () => {
    const { grid: _, ...dropped } = inputs;
    expect(() => slidingWindowAttention(dropped, [1, 1, 1])).toThrow('windowSize is [1, 1, 1]; it needs the grid');
    expect(() => slidingWindowAttention({ ...inputs, grid: [3, 2, 3] }, [1, 1, 1])).toThrow(
      'on a grid [3, 2, 3]; expected F H W = L, the 12 tokens',
    );
  });
});
