import { expectClose } from '@eflow/testing';
import { describe, expect, it } from 'vitest';
import fixtures from './fixtures/torch.json' with { type: 'json' };
import { warmupConstant, warmupCosine } from './schedules.ts';

describe('schedules', () => {
  it("warmupCosine agrees with torch's LambdaLR followed by CosineAnnealingLR (reference/optim_fixtures.py)", () => {
    const { rates, ...options } = fixtures.warmupCosine;
    expectClose(
      rates.map((_, step) => warmupCosine(options)(step)),
      rates,
      { rtol: 1e-12, atol: 1e-12 },
    );
    expect(warmupCosine(options)(1000)).toBe(0);
  });

  it('warmupConstant rises from 1/warmupSteps and stays', () => {
    const rate = warmupConstant({ learningRate: 8, warmupSteps: 4 });
    expect([0, 1, 2, 3, 4, 5, 1e9].map(rate)).toEqual([2, 4, 6, 8, 8, 8, 8]);
    expect(warmupConstant({ learningRate: 8, warmupSteps: 0 })(0)).toBe(8);
  });

  it('refuse rates and steps that make no sense', () => {
    expect(() => warmupConstant({ learningRate: -1, warmupSteps: 1 })).toThrow('learningRate is -1');
    expect(() => warmupConstant({ learningRate: 1, warmupSteps: -1 })).toThrow('warmupSteps is -1');
    expect(() => warmupConstant({ learningRate: 1, warmupSteps: 0.5 })).toThrow('expected an integer >= 0');
    expect(() => warmupCosine({ learningRate: 1, warmupSteps: 10, totalSteps: 10 })).toThrow('totalSteps is 10');
  });
});
