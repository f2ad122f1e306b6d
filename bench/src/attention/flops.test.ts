import { expect, it } from 'vitest';
import { countFlops, KINDS, type Shape } from './workload.ts';

const shape: Shape = { batchSize: 3, numHeads: 5, headDim: 7, windowSize: 4 };

it('counts the pairs of all tokens, or of the windows, over all heads and clips', () => {
  // Two products of 7 numbers for each pair; five more in the gradient.
  const pair = 3 * 5 * 2 * 7;
  expect(countFlops('softmax', 'forward', 11, shape)).toBe(2 * 11 * 11 * pair);
  expect(countFlops('softmax', 'gradient', 11, shape)).toBe(7 * 11 * 11 * pair);
  // Nine tokens in a window, but 4 + 3 + 2 + 1 fewer at each end.
  expect(countFlops('local', 'gradient', 11, shape)).toBe(7 * (11 * 9 - 20) * pair);
});

it.each(KINDS)('knows %s, whose gradient is more than one more forward pass', (kind) => {
  expect(countFlops(kind, 'gradient', 64, shape)).toBeGreaterThan(2 * countFlops(kind, 'forward', 64, shape));
});
