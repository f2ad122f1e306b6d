import { treeLeaves } from '@eflow/tensor';
import { expectClose, expectNoLeak } from '@eflow/testing';
import * as tf from '@tensorflow/tfjs-core';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { clipByGlobalNorm } from './clip-by-global-norm.ts';
import fixtures from './fixtures/torch.json' with { type: 'json' };

describe('clipByGlobalNorm', () => {
  it.each(fixtures.clipping)("agrees with torch's clip_grad_norm_ at $maxNorm, norm $norm", (run) => {
    tf.tidy(() => {
      const { grads, norm } = clipByGlobalNorm(
        run.grads.map((values, i) => tf.tensor(values, fixtures.shapes[i])),
        run.maxNorm,
      );
      expectClose(norm, [run.norm], { rtol: 1e-6, atol: 0 });
      grads.forEach((grad, i) => {
        expectClose(grad, run.clipped[i]!, { rtol: 1e-6, atol: 0 });
      });
    });
  });

  it('gives at most maxNorm, in the same direction, and changes nothing below it', () => {
    const anyGrads = fc.array(fc.array(fc.double({ min: -1e3, max: 1e3, noNaN: true }), { minLength: 1 }), {
      minLength: 1,
      maxLength: 4,
    });
    fc.assert(
      fc.property(anyGrads, fc.double({ min: 1e-2, max: 1e4, noNaN: true }), (values, maxNorm) => {
        tf.tidy(() => {
          const before = values.map((leaf) => tf.tensor1d(leaf));
          const { grads, norm } = clipByGlobalNorm(before, maxNorm);
          const flat = before.flatMap((leaf) => [...leaf.dataSync()]);
          const exact = Math.hypot(...flat);
          expectClose(norm, [exact], { rtol: 1e-5, atol: 1e-6 });
          const factor = Math.min(1, maxNorm / (exact + 1e-6));
          const clipped = grads.flatMap((leaf) => [...leaf.dataSync()]);
          expectClose(
            clipped,
            flat.map((x) => x * factor),
            { rtol: 1e-5, atol: 1e-9 },
          );
          expect(Math.hypot(...clipped)).toBeLessThanOrEqual(maxNorm * (1 + 1e-5));
        });
      }),
      { numRuns: 60 },
    );
  });

  it('reports an infinite norm, of which zeros and NaN are left, and a NaN', () => {
    tf.tidy(() => {
      const infinite = clipByGlobalNorm({ a: tf.tensor1d([1, Infinity]), b: tf.scalar(2) }, 1);
      expectClose(infinite.norm, [Infinity]);
      expectClose(infinite.grads.a, [0, Number.NaN]);
      expectClose(infinite.grads.b, [0]);
      expectClose(clipByGlobalNorm([tf.tensor1d([1e30])], 1).norm, [Infinity]); // its square overflows float32
      expectClose(clipByGlobalNorm([tf.tensor1d([Number.NaN, 1])], 1).norm, [Number.NaN]);
    });
  });

  it('measures alone with maxNorm Infinity, takes an empty tree, and refuses other limits', () => {
    tf.tidy(() => {
      const { grads, norm } = clipByGlobalNorm([tf.tensor1d([3, 4])], Infinity);
      expectClose(norm, [5]);
      expectClose(grads[0]!, [3, 4], { rtol: 0, atol: 0 });
      expectClose(clipByGlobalNorm({}, 1).norm, [0]);
    });
    for (const bad of [0, -1, Number.NaN]) expect(() => clipByGlobalNorm([], bad)).toThrow(`maxNorm is ${bad}`);
  });

  it('leaks nothing', () => {
    const grads = { a: tf.tensor1d([3, 4]), b: [tf.scalar(1)] };
    expectNoLeak(() => {
      const { grads: clipped, norm } = clipByGlobalNorm(grads, 1);
      return [...treeLeaves(clipped), norm];
    });
    expectClose(grads.a, [3, 4], { rtol: 0, atol: 0 });
  });
});
