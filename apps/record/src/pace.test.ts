import type { StepMetrics } from '@eflow/run';
import { describe, expect, it } from 'vitest';
import { paceOf, stepsWithin } from './pace.ts';

it('takes the clock between steps for the pace, and what the first five take apart', () => {
  // Five steps in 3 s, then four of 0.25 s by the clock; the steps themselves take less.
  const seconds = [2, 2.25, 2.5, 2.75, 3, 3.25, 3.5, 3.75, 4];
  const metrics = seconds.map((time, step) => ({ step, seconds: time, stepSeconds: 0.2 }) as StepMetrics);
  expect(paceOf(metrics)).toEqual({ settlingSeconds: 3, stepSeconds: 0.25 });
});

describe('stepsWithin', () => {
  const pace = { settlingSeconds: 3, stepSeconds: 0.25 };

  it('fills 97 % of the time', () => {
    expect(stepsWithin(100, pace)).toBe(5 + (97 - 3) / 0.25);
    expect(stepsWithin(101, pace)).toBe(5 + Math.floor((97.97 - 3) / 0.25)); // 379.88
  });

  it('refuses a time that is over before training has settled', () => {
    expect(stepsWithin(3.1, pace)).toBe(5); // 3.007 s
    expect(() => stepsWithin(3, pace)).toThrow('3 seconds of training are too few: the first 5 steps take 3.0 s here');
  });
});
