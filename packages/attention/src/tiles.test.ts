import { expectClose } from '@eflow/testing';
import * as tf from '@tensorflow/tfjs-core';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { chooseCuts, cutQueries, cutTiles, type Grid, joinTiles, visibleKeys } from './tiles.ts';

const side = fc.integer({ min: 1, max: 9 });
const grids = fc.tuple(side, side, side);
const windows = fc.tuple(fc.nat(3), fc.nat(3), fc.nat(3));

/** Tokens numbered from 1, [1, L, 1]. */
const numbered = ([F, H, W]: Grid) => tf.reshape(tf.range(1, F * H * W + 1), [1, F * H * W, 1]);

describe('tiles', () => {
  it('joined are what was cut', () => {
    fc.assert(
      fc.property(grids, windows, (grid, window) => {
        const x = numbered(grid);
        const cuts = chooseCuts(grid, window);
        expectClose(joinTiles(cutQueries(x, cuts), cuts), x);
      }),
      { numRuns: 50 },
    );
  });

  it('have for each token the tokens of its window, each once', () => {
    fc.assert(
      fc.property(grids, windows, (grid, window) => {
        fc.pre(grid.some((length) => length > 1));
        const cuts = chooseCuts(grid, window);
        const [queries, keys, visible] = [cutQueries, cutTiles, () => visibleKeys(cuts, window)].map((make) =>
          make(numbered(grid), cuts).arraySync(),
        ) as [number[][][][], number[][][][], number[][][]];
        const [, rows, columns] = grid;
        const place = (i: number) => [Math.floor(i / (rows * columns)), Math.floor(i / columns) % rows, i % columns];
        const tokens = Array.from({ length: grid[0] * rows * columns }, (_, i) => i);
        queries[0]!.forEach((tile, t) => {
          tile.forEach(([number], query) => {
            if (number === 0) return; // beyond the grid
            const seen = keys[0]![t]!.flatMap(([key], j) => (visible[t]![query]![j] === 1 ? [key! - 1] : []));
            const near = (j: number) =>
              window.every((w, axis) => Math.abs(place(number! - 1)[axis]! - place(j)[axis]!) <= w);
            expect(seen.sort((a, b) => a - b)).toEqual(tokens.filter(near));
          });
        });
      }),
      { numRuns: 15 },
    );
  });

  it('leave an axis whole that a neighbourhood spans', () => {
    expect(chooseCuts([4, 1, 1], [2, 0, 0])).toMatchObject([
      { count: 1, before: 0, reach: 4 },
      { count: 1 },
      { count: 1 },
    ]);
  });
});
