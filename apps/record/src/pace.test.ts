import type { StepMetrics } from '@eflow/run';
import { describe, expect, it } from 'vitest';
import { paceOf, stepsWithin } from './pace.ts';

it('takes the clock between steps for the pace, and what steps that compile take besides apart', () => {
  // Steps of 0.25 s by the clock, of which two compile, for 2 s and 1.25 s; the steps themselves take less.
  const seconds = [2.25, 2.5, 2.75, 3, 4.5, 4.75, 5, 5.25];
  const metrics = seconds.map((time, step) => ({ step, seconds: time, stepSeconds: 0.2 }) as StepMetrics);
  expect(paceOf(metrics)).toEqual({ compileSeconds: 3.25, stepSeconds: 0.25 });
});

it('counts slower steps that do not compile', () => {
  const seconds = [0.25, 0.5, 0.75, 1.25, 1.75];
  expect(paceOf(seconds.map((time, step) => ({ step, seconds: time }) as StepMetrics))).toEqual({
    compileSeconds: 0,
    stepSeconds: 0.35,
  });
});

describe('stepsWithin', () => {
  const pace = { compileSeconds: 3, stepSeconds: 0.25 };

  it('fills 95 % of the time', () => {
    expect(stepsWithin(100, pace)).toBe((95 - 3) / 0.25);
    expect(stepsWithin(101, pace)).toBe(Math.floor((95.95 - 3) / 0.25)); // 371.8
  });

  it('refuses a time in which no step is made', () => {
    expect(stepsWithin(3.43, pace)).toBe(1); // 3.2585 s
    expect(() => stepsWithin(3.42, pace)).toThrow('3.42 seconds of training are too few: to compile takes 3.0 s here');
  });
});
