import { createStream, randomNormal, splitStream } from '@eflow/tensor';
import { expectClose, expectNoLeak } from '@eflow/testing';
import * as tf from '@tensorflow/tfjs-core';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { orthogonalize } from './orthogonalize.ts';

/** m orthonormal rows, [m, n], drawn from a label. */
const orthonormal = (label: string, m: number, n: number) =>
  tf.transpose(tf.linalg.qr(randomNormal(splitStream(createStream(3), label), [n, m]) as tf.Tensor2D)[0]);

/** What five steps make of a singular value, in doubles. */
function iterate(x: number): number {
  for (let step = 0; step < 5; step++) x = 3.4445 * x - 4.775 * x ** 3 + 2.0315 * x ** 5;
  return x;
}

describe('orthogonalize', () => {
  it('keeps the singular vectors and brings the singular values into 0.68 to 1.21, whatever the scale', () => {
    const value = fc.double({ min: 0.01, max: 1, noNaN: true });
    const values = fc.array(value, { minLength: 1, maxLength: 7 });
    fc.assert(
      fc.property(values, fc.integer({ min: 0, max: 5 }), fc.constantFrom(1e-3, 1, 1e4), (values, wider, scale) => {
        const [m, n] = [values.length, values.length + wider];
        const norm = Math.hypot(...values);
        const expected = values.map((value) => iterate(value / norm));
        for (const value of expected) expect(Math.abs(value - 0.945)).toBeLessThan(0.265);
        tf.tidy(() => {
          const [left, right] = [orthonormal('left', m, m), orthonormal('right', m, n)];
          const compose = (diagonal: number[]) => tf.matMul(tf.mul(left, tf.tensor2d(diagonal, [1, m])), right);
          const result = orthogonalize(tf.expandDims(compose(values.map((value) => value * scale))));
          expectClose(tf.squeeze(result, [0]), compose(expected), { rtol: 0, atol: 2e-5 });
          const tall = orthogonalize(tf.expandDims(tf.transpose(compose(values.map((value) => value * scale)))));
          expectClose(tf.squeeze(tall, [0]), tf.transpose(compose(expected)), { rtol: 0, atol: 2e-5 });
        });
      }),
      { numRuns: 40 },
    );
  });

  it('takes every matrix of a stack by itself, and leaves zeros zero', () => {
    tf.tidy(() => {
      const drawn = randomNormal(createStream(1), [1, 3, 5]);
      const stack = orthogonalize(tf.concat([tf.mul(drawn, 1e3), tf.zerosLike(drawn), drawn]));
      const [large, zero, small] = tf.unstack(stack) as [tf.Tensor, tf.Tensor, tf.Tensor];
      expectClose(large, small, { rtol: 1e-5 });
      expectClose(zero, tf.zeros([3, 5]), { rtol: 0, atol: 0 });
      expectClose(tf.expandDims(small), orthogonalize(drawn), { rtol: 0, atol: 0 });
    });
  });

  it('leaves no tensor', () => {
    expectNoLeak(() => tf.tidy(() => orthogonalize(tf.ones([2, 3, 5]))));
  });
});
