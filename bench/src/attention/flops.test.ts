import fc from 'fast-check';
import { expect, it } from 'vitest';
import { countFlops, countVisiblePairs } from './flops.ts';
import { createSpec, KINDS, type Shape } from './workload.ts';

const shape: Shape = { batchSize: 3, numHeads: 5, headDim: 7, windowSize: 4 };
const lengths = fc.integer({ min: 1, max: 60 });
const windows = fc.integer({ min: 1, max: 70 });

/** One by one. */
function visitPairs(length: number, windowSize: number): number {
  let pairs = 0;
  for (let i = 0; i < length; i++) {
    for (let j = 0; j < length; j++) if (Math.abs(i - j) <= windowSize) pairs++;
  }
  return pairs;
}

it('counts the pairs that a window shows, ends included', () => {
  fc.assert(
    fc.property(lengths, windows, (length, windowSize) => {
      expect(countVisiblePairs(length, windowSize)).toBe(visitPairs(length, windowSize));
    }),
  );
});

it('counts two products over visible pairs, and five more in the gradient', () => {
  fc.assert(
    fc.property(lengths, windows, (length, windowSize) => {
      const product = 2 * visitPairs(length, windowSize) * 3 * 5 * 7;
      const at = { ...shape, windowSize };
      expect(countFlops('local', 'forward', length, at)).toBe(2 * product);
      expect(countFlops('local', 'gradient', length, at)).toBe(7 * product);
    }),
  );
});

it('counts all pairs in softmax, and in a window as long as the sequence', () => {
  const whole = { ...shape, windowSize: 11 };
  for (const run of ['forward', 'gradient'] as const) {
    expect(countFlops('softmax', run, 11, shape)).toBe(countFlops('local', run, 11, whole));
  }
  expect(countFlops('softmax', 'forward', 11, shape)).toBe(3 * 5 * 4 * 11 * 11 * 7);
});

it("counts linear attention's state, its product with q, and the denominator; two more for each in the gradient", () => {
  // Per head: k^T v and q (k^T v), 2 L D D each, and q . sum k, 2 L D.
  const forward = 3 * 5 * (2 * (2 * 11 * 7 * 7) + 2 * 11 * 7);
  expect(countFlops('linear', 'forward', 11, shape)).toBe(forward);
  expect(countFlops('linear', 'gradient', 11, shape)).toBe(3 * forward);
});

it('counts both branches of GLGA', () => {
  for (const run of ['forward', 'gradient'] as const) {
    const branches = countFlops('linear', run, 11, shape) + countFlops('local', run, 11, shape);
    expect(countFlops('glga', run, 11, shape)).toBe(branches);
  }
});

it("counts SLA's exact blocks, its linear branch and proj", () => {
  // 2,048 tokens are 32 blocks of 64; 5 % of them, rounded down, is one: 64 keys for each query.
  const exact = 3 * 5 * 4 * 2048 * 64 * 7;
  const proj = 3 * 5 * 2 * 2048 * 7 * 7;
  expect(countFlops('sla', 'forward', 2048, shape)).toBe(exact + proj + countFlops('linear', 'forward', 2048, shape));
});

it('knows every kind', () => {
  for (const kind of KINDS) {
    expect(createSpec(kind, shape).kind).toBe(kind);
    expect(countFlops(kind, 'gradient', 64, shape)).toBeGreaterThan(2 * countFlops(kind, 'forward', 64, shape));
  }
});
