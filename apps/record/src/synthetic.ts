import type { Entry } from '@eflow/record';

/** A synthetic entry, for tests: of a seed for each distance at 4 passes. */
export function syntheticEntry(change: string, distances: readonly number[], more: Partial<Entry> = {}): Entry {
  return {
    date: '2026-01-31',
    change,
    commit: 'abc1234',
    machine: { cpu: 'A <CPU>', cores: 2, memoryBytes: 16.4e9, node: '24.1.0' },
    minutes: 3,
    plannedSteps: 1234,
    seeds: distances.map((frechetDistance, seed) => ({
      seed,
      steps: 1234,
      seconds: 175.2,
      stepSeconds: 0.1401,
      scores: [1, 2, 4, 8].map((passes) => ({
        passes,
        frechetDistance: (frechetDistance * 4) / passes,
        classAccuracy: 0.8 + seed / 100,
        frameConsistency: 0.5,
      })),
      real: { frechetDistance: 3 + seed / 4, classAccuracy: 0.985, frameConsistency: 0.962 },
    })),
    protocol: {
      extractor: 'moving-digits classifier',
      weightsSha256: 'ab',
      feature: 'features',
      numFrames: 8,
      frameStride: 1,
      covarianceRule: 'N-1',
      numReal: 1000,
      numGenerated: 1000,
      realDraw: { of: 1000, start: 'first' },
      generatedDraw: { of: 1000, start: 'first' },
      split: 'held-out',
    },
    ...more,
  };
}
