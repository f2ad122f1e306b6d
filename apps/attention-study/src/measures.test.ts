import { expect, it } from 'vitest';
import { measure } from './measures.ts';

it('takes the loss from the last 50 steps, and the gradient from all', () => {
  const losses = [...Array<number>(50).fill(9), ...Array<number>(25).fill(1), ...Array<number>(25).fill(3)];
  const gradNorms = Array.from({ length: 100 }, (_, i) => (i === 0 ? 21 : i === 60 ? 19 : 2));
  expect(measure({ losses, gradNorms })).toEqual({
    loss: 2,
    lossSpread: 1,
    medianGradNorm: 2,
    largestGradNorm: 21,
    largestLateGradNorm: 19,
    spikes: 1,
    nonFinite: 0,
  });
});

it('counts a step whose loss or gradient is not finite once, as a spike too, and leaves it out of the median', () => {
  const { nonFinite, spikes, medianGradNorm, largestGradNorm, loss } = measure({
    losses: [1, Number.NaN, Number.POSITIVE_INFINITY, 1, 1],
    gradNorms: [1, Number.NaN, 1, Number.POSITIVE_INFINITY, 1],
  });
  expect({ nonFinite, spikes, medianGradNorm, largestGradNorm }).toEqual({
    nonFinite: 3,
    spikes: 2,
    medianGradNorm: 1,
    largestGradNorm: 1,
  });
  expect(loss).toBeNaN();
});
