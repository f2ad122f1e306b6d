import { describe, expect, it } from 'vitest';
import { loadConfig } from './load-config.ts';
import { trainingStages } from './training-stages.ts';

const stages = (...changes: string[]) =>
  trainingStages(loadConfig('digits-tiny', ['training.steps=10', 'objective.velocityWarmup=0', ...changes]));

const whole = { firstStep: 0, share: 1, keepRatio: 1, trainsJumps: true };

describe('trainingStages', () => {
  it('is one where the steps do the same work all the way', () => {
    expect(stages()).toEqual([whole]);
    expect(stages('training.denseTail=0.5')).toEqual([whole]);
    expect(stages('objective.kind=flowMatching')).toEqual([whole]);
  });

  it('begins one where jumps begin to be trained, and one where all tokens are kept', () => {
    expect(stages('objective.velocityWarmup=0.65', 'training.keepRatio=0.25', 'training.denseTail=0.1')).toEqual([
      { firstStep: 0, share: 0.7, keepRatio: 0.25, trainsJumps: false },
      { firstStep: 7, share: 0.2, keepRatio: 0.25, trainsJumps: true },
      { firstStep: 9, share: 0.1, keepRatio: 1, trainsJumps: true },
    ]);
  });

  it('leaves out those that no step is in', () => {
    expect(stages('objective.velocityWarmup=0.5', 'training.steps=1')).toEqual([{ ...whole, trainsJumps: false }]);
    expect(stages('objective.velocityWarmup=0.999')).toEqual([{ ...whole, trainsJumps: false }]);
  });
});
