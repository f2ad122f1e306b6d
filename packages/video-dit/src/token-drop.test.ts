import { createStream, randomNormal, splitStream } from '@eflow/tensor';
import { expectClose, expectGradients, expectNoLeak } from '@eflow/testing';
import * as tf from '@tensorflow/tfjs-core';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { countKept, drawKeptTokens, gatherTokens, restoreTokens } from './token-drop.ts';

const rowsOf = (kept: tf.Tensor) => kept.arraySync() as number[][];

describe('drawKeptTokens', () => {
  it('gives K different tokens per example, ascending, the same for the same stream', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 5 }),
        fc.integer({ min: 1, max: 70 }),
        fc.double({ min: 0.01, max: 1, noNaN: true }),
        fc.nat(),
        (B, L, ratio, seed) => {
          const kept = drawKeptTokens(createStream(seed), B, L, ratio);
          expect(kept.shape).toEqual([B, countKept(L, ratio)]);
          expect(kept.dtype).toBe('int32');
          for (const row of rowsOf(kept)) {
            expect(row.every((token, i) => token >= 0 && token < L && (i === 0 || token > row[i - 1]!))).toBe(true);
          }
          expect(rowsOf(drawKeptTokens(createStream(seed), B, L, ratio))).toEqual(rowsOf(kept));
        },
      ),
      { numRuns: 50 },
    );
  });

  it('keeps every token equally often', () => {
    const counts = new Float64Array(16);
    for (let step = 0; step < 50; step++) {
      for (const row of rowsOf(drawKeptTokens(splitStream(createStream(1), step), 40, 16, 0.25))) {
        for (const token of row) counts[token]!++;
      }
    }
    // 2,000 rows, probability 1/4: 500 expected, standard deviation sqrt(2000 / 4 * 3 / 4) = 19.4.
    expect(Math.max(...counts.map((count) => Math.abs(count - 500)))).toBeLessThan(5 * 19.4);
  });

  it('leaves no tensors behind', () => expectNoLeak(() => drawKeptTokens(createStream(1), 3, 17, 0.3)));

  it.each([0, -0.1, 1.01, Number.NaN])('refuses the keep ratio %d', (ratio) => {
    expect(() => drawKeptTokens(createStream(1), 2, 8, ratio)).toThrow(`keepRatio is ${ratio}`);
  });
});

describe('gatherTokens and restoreTokens', () => {
  const [B, L, E] = [3, 11, 5];
  const x = randomNormal(createStream(2), [B, L, E]);
  const mask = randomNormal(createStream(3), [E]);
  const kept = drawKeptTokens(createStream(4), B, L, 0.4);

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

  it('with all tokens kept are the identity', () => {
    const all = drawKeptTokens(createStream(5), B, L, 1);
    expectClose(restoreTokens(gatherTokens(x, all), all, mask, L), x, { rtol: 0, atol: 0 });
  });

  it('refuse another batch', () => {
    expect(() => gatherTokens(x, tf.zeros([2, 4], 'int32'))).toThrow('expected kept [3, K], got [2, 4]');
  });
});
