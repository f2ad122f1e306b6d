import { loadConfig } from '@eflow/run';
import { expect, it } from 'vitest';
import { learningRateSchedule } from './state.ts';

it('reaches the full learning rate in the last step of a run that is shorter than its warm-up', () => {
  for (const schedule of ['constant', 'cosine']) {
    const changes = ['optimizer.learningRate=0.5', 'optimizer.warmupSteps=20', `optimizer.schedule=${schedule}`];
    const rates = (steps: number) => {
      const rate = learningRateSchedule(loadConfig('digits-tiny', [...changes, `training.steps=${steps}`]));
      return Array.from({ length: steps }, (_, step) => rate(step));
    };
    expect(rates(5)).toEqual([0.125, 0.25, 0.375, 0.5, 0.5]);
    expect(rates(1)).toEqual([0.5]);
    expect(rates(100).slice(18, 20)).toEqual([0.475, 0.5]); // a longer run warms up in 20 steps
  }
});
