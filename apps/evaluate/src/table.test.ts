import type { StepMetrics } from '@eflow/run';
import { expect, it } from 'vitest';
import { describeAge, secondsUntil } from './table.ts';

it.each([
  [0, 0, 'untrained'],
  [7, 59.4, 'after 0:59 min (step 7)'],
  [7, 119.6, 'after 2:00 min (step 7)'],
  [7, 3599.6, 'after 1:00:00 h (step 7)'],
])('describes the age at step %d after %d seconds', (step, seconds, text) => {
  expect(describeAge({ step, seconds })).toBe(text);
});

it('takes the time of a checkpoint from the last step before it that was not left out', () => {
  const metrics = [0, 1, 3].map((step) => ({ step, seconds: 10 * (step + 1) }) as StepMetrics);
  expect([0, 1, 2, 3, 4, 9].map((step) => secondsUntil(metrics, step))).toEqual([0, 10, 20, 20, 40, 40]);
});
