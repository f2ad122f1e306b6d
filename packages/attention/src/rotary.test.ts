import { createStream, randomNormal } from '@eflow/tensor';
import { expectClose, expectGradients, expectNoLeak } from '@eflow/testing';
import * as tf from '@tensorflow/tfjs-core';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { gatherRotary, rotaryTable, rotate } from './rotary.ts';

describe('rotaryTable', () => {
  it('turns by frame, row and column, in (t, h, w) order', () => {
    const { cos } = rotaryTable([2, 3, 5], 10); // 5 pairs: 3 for time, 1 each for height and width
    const token = (t: number, h: number, w: number) => tf.slice(cos, [(t * 3 + h) * 5 + w, 0], [1, 10]);
    const half = [Math.cos(1), Math.cos(10_000 ** (-1 / 3)), Math.cos(10_000 ** (-2 / 3)), Math.cos(2), Math.cos(4)];
    expectClose(token(1, 2, 4), [...half, ...half]);
  });

  it('agrees with the definition in float64, token by token', () => {
    const axis = fc.integer({ min: 1, max: 7 });
    fc.assert(
      fc.property(fc.tuple(axis, axis, axis), fc.integer({ min: 3, max: 12 }), (grid, pairs) => {
        tf.tidy(() => {
          const [frames, rows, columns] = grid;
          const spatial = Math.floor(pairs / 3);
          const counts = [pairs - 2 * spatial, spatial, spatial];
          const angles = Array.from({ length: frames * rows * columns }, (_, token) => {
            const place = [Math.floor(token / (rows * columns)), Math.floor(token / columns) % rows, token % columns];
            const turns = place.flatMap((p, a) =>
              Array.from({ length: counts[a]! }, (_, pair) => p * 10_000 ** (-pair / counts[a]!)),
            );
            return [...turns, ...turns];
          }).flat();
          const { cos, sin } = rotaryTable(grid, 2 * pairs);
          expect([cos.shape, sin.shape]).toEqual(Array(2).fill([frames * rows * columns, 2 * pairs]));
          expectClose(cos, angles.map(Math.cos), { rtol: 0, atol: 1e-6 });
          expectClose(sin, angles.map(Math.sin), { rtol: 0, atol: 1e-6 });
        });
      }),
      { numRuns: 40 },
    );
    expectNoLeak(() => Object.values(rotaryTable([2, 3, 5], 8)));
  });

  it.each([4, 7])('refuses a head of %d', (headDim) => {
    expect(() => rotaryTable([1, 1, 1], headDim)).toThrow(`headDim is ${headDim}`);
  });
});

describe('rotate', () => {
  const x = randomNormal(createStream(1), [2, 3, 7, 10]);
  const rotary = rotaryTable([7, 1, 1], 10);

  it('is multiplication by exp(i angle) of the pairs (x_i, x_{i + D/2})', () => {
    const [values, cos, sin] = [x.dataSync(), rotary.cos.dataSync(), rotary.sin.dataSync()];
    const expected = Array.from(values, (value, at) => {
      const [d, token] = [at % 10, Math.floor(at / 10) % 7];
      const [c, s] = [cos[token * 10 + d]!, sin[token * 10 + d]!];
      return d < 5 ? value * c - values[at + 5]! * s : values[at - 5]! * s + value * c;
    });
    expectClose(rotate(x, rotary), expected);
    expectNoLeak(() => rotate(x, rotary));
  });

  it('has the gradient of x', () => expectGradients((at) => rotate(at!, rotary), [x]));

  it('with gathered tables is the gathered result', () => {
    const kept = tf.tensor2d(
      [
        [0, 2, 5],
        [1, 2, 6],
      ],
      [2, 3],
      'int32',
    );
    const pick = (row: number, tokens: number[]) => tf.gather(tf.slice(x, [row, 0, 0, 0], [1, 3, 7, 10]), tokens, 2);
    const keptX = tf.concat([pick(0, [0, 2, 5]), pick(1, [1, 2, 6])], 0);
    const whole = rotate(x, rotary);
    const keptWhole = tf.concat(
      [
        tf.gather(tf.slice(whole, [0, 0, 0, 0], [1, 3, 7, 10]), [0, 2, 5], 2),
        tf.gather(tf.slice(whole, [1, 0, 0, 0], [1, 3, 7, 10]), [1, 2, 6], 2),
      ],
      0,
    );
    expectClose(rotate(keptX, gatherRotary(rotary, kept)), keptWhole);
  });

  it('refuses a table of other tokens', () => {
    const other = rotaryTable([5, 1, 1], 10);
    expect(() => rotate(x, other)).toThrow('expected rotary.cos [7, 10], got [5, 10]');
    expect(() => rotate(x, { cos: rotary.cos, sin: other.sin })).toThrow('expected rotary.sin [7, 10], got [5, 10]');
  });
});
