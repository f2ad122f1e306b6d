import type { SkippedStep, StepMetrics } from '@eflow/run';
import { expect, it } from 'vitest';
import { measureStability } from './stability.ts';

const metricsOf = (losses: number[], gradNorms: number[]) =>
  losses.map((loss, step) => ({ step, loss, gradNorm: gradNorms[step] }) as StepMetrics);

it('takes the loss from the last 50 steps, and the gradient from all', () => {
  const losses = [...Array<number>(50).fill(9), ...Array<number>(25).fill(1), ...Array<number>(25).fill(3)];
  const gradNorms = Array.from({ length: 100 }, (_, i) => (i === 0 ? 21 : i === 60 ? 19 : 2));
  expect(measureStability(metricsOf(losses, gradNorms), [])).toEqual({
    loss: 2,
    lossSpread: 1,
    medianGradNorm: 2,
    largestGradNorm: 21,
    largestLateGradNorm: 19,
    spikes: 1,
    notFinite: 0,
  });
});

it('counts a step whose loss or gradient is not finite once, as a spike too, and no spike that was left out', () => {
  const skipped = ["the loss is NaN and its gradient's norm 1", 'gradNorm is 9, 7.0 standard deviations above'].map(
    (reason, step): SkippedStep => ({ step, reason, samples: [0, 3] }),
  );
  const { notFinite, spikes, medianGradNorm } = measureStability(metricsOf([1, 1, 1], [1, 1, 1]), skipped);
  expect({ notFinite, spikes, medianGradNorm }).toEqual({ notFinite: 1, spikes: 1, medianGradNorm: 1 });
});
