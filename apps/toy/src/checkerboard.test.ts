import { createStream } from '@eflow/tensor';
import { expectClose, expectNoLeak } from '@eflow/testing';
import * as tf from '@tensorflow/tfjs-core';
import { expect, it } from 'vitest';
import { drawCheckerboard, SQUARE } from './checkerboard.ts';

const COUNT = 40_009;

it('fills eight squares evenly, those whose row and column are both even or both odd, and no others', () => {
  const points = tf.tidy(() => drawCheckerboard(createStream(1), COUNT).dataSync());
  const counts = Array.from({ length: 4 }, () => [0, 0, 0, 0]);
  for (let i = 0; i < points.length; i += 2) {
    const [column, row] = [points[i]!, points[i + 1]!].map((value) => Math.floor(value / SQUARE + 2));
    counts[row!]![column!]!++;
  }
  counts.forEach((ofRow, row) => {
    ofRow.forEach((count, column) => {
      // The standard deviation of a share of 1/8 is 0.0017.
      const expected = (row + column) % 2 === 0 ? 1 / 8 : 0;
      expect(Math.abs(count / COUNT - expected), `row ${row}, column ${column}`).toBeLessThan(expected * 0.07 + 1e-9);
    });
  });
});

it('has mean 0 and variance 1 in each coordinate, and places within a square spread evenly', () => {
  tf.tidy(() => {
    const points = drawCheckerboard(createStream(1), COUNT);
    const { mean, variance } = tf.moments(points, 0);
    expectClose(mean, [0, 0], { atol: 0.02 });
    expectClose(variance, [1, 1], { rtol: 0.02 });
    const within = tf.mod(tf.add(tf.div(points, SQUARE), 2), 1);
    const inSquare = tf.moments(within, 0);
    expectClose(inSquare.mean, [0.5, 0.5], { rtol: 0.02 });
    expectClose(inSquare.variance, [1 / 12, 1 / 12], { rtol: 0.03 });
  });
});

it('draws the same from one stream, and leaves nothing else', () => {
  const [a, b] = [createStream(5), createStream(5)].map((stream) =>
    tf.tidy(() => drawCheckerboard(stream, 13).dataSync()),
  );
  expect(a).toEqual(b);
  expectNoLeak(() => drawCheckerboard(createStream(5), 13));
});
