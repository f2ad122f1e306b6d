import type { Grid } from '@eflow/attention';
import { compile } from '@eflow/engine';
import { createStream, type RandomStream, randomNormal, splitStream, uploadStream } from '@eflow/tensor';
import { expectClose, expectGradients, expectNoLeak } from '@eflow/testing';
import * as tf from '@tensorflow/tfjs-core';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  countKept,
  drawKeptTokens,
  gatherTokens,
  keepRatioAt,
  restoreTokens,
  TOKEN_DROP_DEFAULTS,
} from './token-drop.ts';

const rowsOf = (kept: tf.Tensor) => kept.arraySync() as number[][];
const size = fc.integer({ min: 1, max: 5 });
const grids = fc.tuple(size, size, size);
const ratios = fc.oneof(fc.double({ min: 0.01, max: 1, noNaN: true }), fc.constantFrom(0.25, 0.5, 0.75, 1));
const seeds = fc.nat();

/** Tokens of each group of 2 x 2 x 2 neighbours, visited one by one. */
function groupsOf([F, H, W]: Grid): number[][] {
  const groups = new Map<string, number[]>();
  for (let token = 0; token < F * H * W; token++) {
    const [f, h, w] = [Math.trunc(token / (H * W)), Math.trunc(token / W) % H, token % W];
    const key = `${f >> 1} ${h >> 1} ${w >> 1}`;
    groups.set(key, [...(groups.get(key) ?? []), token]);
  }
  return [...groups.values()];
}

describe.each(['uniform', 'structured'] as const)('drawKeptTokens, %s', (pattern) => {
  it('gives K different tokens per example, ascending, the same for the same stream', () => {
    fc.assert(
      fc.property(size, grids, ratios, seeds, (batchSize, grid, keepRatio, seed) => {
        const L = grid[0] * grid[1] * grid[2];
        const draw = () => drawKeptTokens(createStream(seed), { batchSize, grid, keepRatio, pattern });
        const kept = draw();
        expect(kept.shape).toEqual([batchSize, countKept(L, keepRatio)]);
        expect(kept.dtype).toBe('int32');
        for (const row of rowsOf(kept)) {
          expect(row.every((token, i) => token >= 0 && token < L && (i === 0 || token > row[i - 1]!))).toBe(true);
        }
        expect(rowsOf(draw())).toEqual(rowsOf(kept));
      }),
      { numRuns: 100 },
    );
  });

  it.each<[Grid, number]>([
    [[2, 2, 4], 0.25],
    [[1, 3, 5], 0.4],
    [[3, 1, 3], 0.5],
  ])('keeps every token of the grid %j equally often at the ratio %d', (grid, keepRatio) => {
    const L = grid[0] * grid[1] * grid[2];
    const share = countKept(L, keepRatio) / L;
    const counts = new Float64Array(L);
    for (let step = 0; step < 50; step++) {
      const stream = splitStream(createStream(1), step);
      for (const row of rowsOf(drawKeptTokens(stream, { batchSize: 80, grid, keepRatio, pattern }))) {
        for (const token of row) counts[token]!++;
      }
    }
    const deviation = Math.sqrt(4000 * share * (1 - share));
    expect(Math.max(...counts.map((count) => Math.abs(count - 4000 * share)))).toBeLessThan(5 * deviation);
  });

  it('draws the same when compiled', () => {
    const [batchSize, grid, keepRatio] = [3, [3, 5, 4], 0.3] as const;
    const draw = (stream: RandomStream) => drawKeptTokens(stream, { batchSize, grid, keepRatio, pattern });
    const compiled = compile((stream: { seed: tf.Tensor1D }) => draw(stream), { captures: 'refuse' });
    for (const seed of [1, 2]) {
      expect(rowsOf(compiled(uploadStream(createStream(seed))))).toEqual(rowsOf(draw(createStream(seed))));
    }
    compiled.dispose();
  });

  it('draws the same on a backend in JavaScript', async () => {
    const before = tf.getBackend();
    const draw = () =>
      rowsOf(drawKeptTokens(createStream(3), { batchSize: 2, grid: [3, 5, 4], keepRatio: 0.3, pattern }));
    const expected = draw();
    await tf.setBackend('cpu');
    try {
      expect(draw()).toEqual(expected);
    } finally {
      await tf.setBackend(before);
    }
  });

  it('leaves no tensors behind', () =>
    expectNoLeak(() => drawKeptTokens(createStream(1), { batchSize: 3, grid: [2, 3, 5], keepRatio: 0.3, pattern })));
});

describe('drawKeptTokens', () => {
  it('keeps 2 of every whole group of 8 at the ratio 0.25', () => {
    fc.assert(
      fc.property(grids, seeds, (half, seed) => {
        const grid = half.map((n) => 2 * n) as [number, number, number];
        const kept = drawKeptTokens(createStream(seed), { batchSize: 2, grid, keepRatio: 0.25, pattern: 'structured' });
        for (const row of rowsOf(kept)) {
          for (const group of groupsOf(grid)) expect(group.filter((token) => row.includes(token)).length).toBe(2);
        }
      }),
      { numRuns: 30 },
    );
  });

  it('keeps of every group its share, rounded down or up, on any grid', () => {
    fc.assert(
      fc.property(grids, ratios, seeds, (grid, keepRatio, seed) => {
        const share = countKept(grid[0] * grid[1] * grid[2], keepRatio) / (grid[0] * grid[1] * grid[2]);
        const kept = drawKeptTokens(createStream(seed), { batchSize: 2, grid, keepRatio, pattern: 'structured' });
        for (const row of rowsOf(kept)) {
          for (const group of groupsOf(grid)) {
            const count = group.filter((token) => row.includes(token)).length;
            expect(Math.abs(count - group.length * share)).toBeLessThan(1 - 1e-9);
          }
        }
      }),
      { numRuns: 100 },
    );
  });

  it('draws any two tokens of a group', () => {
    const options = { batchSize: 500, grid: [2, 2, 2], keepRatio: 0.25, pattern: 'structured' } as const;
    const counts = new Map<string, number>();
    for (const row of rowsOf(drawKeptTokens(createStream(1), options))) {
      counts.set(String(row), (counts.get(String(row)) ?? 0) + 1);
    }
    // 28 pairs, each expected 500 / 28 = 17.9 times with standard deviation 4.1.
    expect(counts.size).toBe(28);
    expect(Math.max(...counts.values())).toBeLessThan(17.9 + 5 * 4.1);
  });

  it('keeps as many as asked for of 262,144 tokens', () => {
    const options = { batchSize: 1, grid: [64, 64, 64], keepRatio: 0.25, pattern: 'structured' } as const;
    const [row] = rowsOf(drawKeptTokens(createStream(1), options));
    expect(new Set(row).size).toBe(65_536);
    const perGroup = new Int32Array(32 ** 3);
    for (const t of row!) perGroup[((t >> 13) * 32 + ((t >> 7) & 31)) * 32 + ((t >> 1) & 31)]!++;
    expect(perGroup.every((count) => count === 2)).toBe(true);
    expect(() => drawKeptTokens(createStream(1), { ...options, keepRatio: 0.4 })).toThrow(
      '104858 of 262144 tokens is beyond int32 in the structured pattern; expected a keepRatio near 1 / 2',
    );
  });

  const good = { batchSize: 2, grid: [2, 2, 2] as Grid, keepRatio: 0.5 };

  it.each([0, -0.1, 1.01, Number.NaN])('refuses the keep ratio %d', (keepRatio) => {
    expect(() => drawKeptTokens(createStream(1), { ...good, keepRatio })).toThrow(`keepRatio is ${keepRatio}`);
  });

  it.each([
    [{ grid: [2, 0, 2] as const }, 'batchSize is 2 and grid [2, 0, 2]; expected integers of at least 1'],
    [{ grid: [2, 1.5, 2] as const }, 'grid [2, 1.5, 2]'],
    [{ batchSize: 0 }, 'batchSize is 0'],
    [{ pattern: 'blocks' } as object, "pattern is 'blocks'; expected 'uniform' or 'structured'"],
  ])('refuses %j', (change, message) => {
    expect(() => drawKeptTokens(createStream(1), { ...good, ...change })).toThrow(message);
  });
});

it('topk puts the first of equals first, which the structured draw relies on', () => {
  const { indices } = tf.topk(tf.tensor2d([2, 7, 2, 7, 7, 2], [1, 6]), 6);
  expect(Array.from(indices.dataSync())).toEqual([1, 3, 4, 0, 2, 5]);
  const equal = tf.topk(tf.zeros([2, 1000]), 1000).indices;
  expect(Array.from(equal.dataSync())).toEqual(Array.from({ length: 2000 }, (_, i) => i % 1000));
});

describe('keepRatioAt', () => {
  it('drops tokens until the dense last stage', () => {
    const at = (progress: number) => keepRatioAt(progress, { keepRatio: 0.25, denseTail: 0.1 });
    expect([0, 0.5, 0.89, 0.9, 0.99, 1].map(at)).toEqual([0.25, 0.25, 0.25, 1, 1, 1]);
  });

  it('has a last stage of nothing, or of all', () => {
    expect(keepRatioAt(0.999, { keepRatio: 0.25, denseTail: 0 })).toBe(0.25);
    expect(keepRatioAt(0, { keepRatio: 0.25, denseTail: 1 })).toBe(1);
  });
});

describe('gatherTokens and restoreTokens', () => {
  const [B, L, E] = [3, 11, 5];
  const x = randomNormal(createStream(2), [B, L, E]);
  const mask = randomNormal(createStream(3), [E]);
  const kept = drawKeptTokens(createStream(4), { batchSize: B, grid: [1, 1, L], keepRatio: 0.4 });

  it('pick tokens and put them back, the mask token elsewhere', () => {
    const rows = rowsOf(kept);
    const values = x.arraySync() as number[][][];
    const token = mask.arraySync() as number[];
    expectClose(
      gatherTokens(x, kept),
      rows.flatMap((row, b) => row.flatMap((l) => values[b]![l]!)),
      { rtol: 0, atol: 0 },
    );
    const expected = values.flatMap((example, b) => example.flatMap((t, l) => (rows[b]!.includes(l) ? t : token)));
    expectClose(restoreTokens(gatherTokens(x, kept), kept, mask, L), expected, { rtol: 0, atol: 0 });
  });

  it('have the gradients of the tokens and of the mask token', () => {
    expectGradients((at) => gatherTokens(at!, kept), [x]);
    expectGradients((at, m) => restoreTokens(at!, kept, m!, L), [gatherTokens(x, kept), mask]);
  });

  it('leave no tensors behind', () => {
    expectNoLeak(() => tf.tidy(() => restoreTokens(gatherTokens(x, kept), kept, mask, L)));
    expectNoLeak(() => tf.grad((at: tf.Tensor) => tf.sum(gatherTokens(at, kept)))(x));
  });

  it('run the same kernels for any batch, forward and backward', async () => {
    const kernelsFor = async (batchSize: number) => {
      const at = tf.ones([batchSize, L, E]);
      const places = drawKeptTokens(createStream(6), { batchSize, grid: [1, 1, L], keepRatio: 0.4 });
      const sum = (values: tf.Tensor, token: tf.Tensor) =>
        tf.sum(tf.square(restoreTokens(gatherTokens(values, places), places, token, L)));
      const { kernels } = await tf.profile(() => tf.grads(sum)([at, mask]));
      tf.dispose([at, places]);
      return kernels.map(({ name }) => name);
    };
    expect(await kernelsFor(1)).toEqual(await kernelsFor(9));
  });

  it('with all tokens kept are the identity', () => {
    const all = drawKeptTokens(createStream(5), { batchSize: B, grid: [1, L, 1], keepRatio: 1 });
    expectClose(restoreTokens(gatherTokens(x, all), all, mask, L), x, { rtol: 0, atol: 0 });
  });

  it('refuse another batch', () => {
    expect(() => gatherTokens(x, tf.zeros([2, 4], 'int32'))).toThrow('expected kept [3, K], got [2, 4]');
  });
});

describe('TOKEN_DROP_DEFAULTS', () => {
  it('are what the functions take unless told', () => {
    const grid: Grid = [3, 4, 5];
    const { keepRatio, pattern } = TOKEN_DROP_DEFAULTS;
    const draw = (options: object) =>
      tf.tidy(() => rowsOf(drawKeptTokens(createStream(1), { batchSize: 2, grid, ...options })));
    expect(draw({})).toEqual(draw({ keepRatio, pattern }));
    for (const progress of [0, 0.94, 0.96]) {
      expect(keepRatioAt(progress)).toBe(keepRatioAt(progress, TOKEN_DROP_DEFAULTS));
    }
  });

  it('do not stand in for a misspelt option', () => {
    // @ts-expect-error: no option of it
    expect(() => drawKeptTokens(createStream(1), { batchSize: 2, grid: [1, 2, 2], keepratio: 0.5 })).toThrow(
      "drawKeptTokens: unknown option 'keepratio'; did you mean 'keepRatio'?",
    );
  });
});
