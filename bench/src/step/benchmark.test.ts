import { expect, it } from 'vitest';
import { recordProgress } from '../fixture.ts';
import { runStepBenchmark } from './benchmark.ts';
import { CONTESTANTS } from './contestants.ts';
import { planBenchmark } from './plan.ts';
import type { Workload } from './workload.ts';

const tiny: Workload = {
  tokens: 4,
  batchSize: 2,
  network: {
    numFrames: 2,
    height: 8,
    width: 8,
    channels: 3,
    patchSize: [2, 4, 4],
    hiddenSize: 12,
    depth: [1, 1, 1],
    numHeads: 2,
    mlpRatio: 2,
    attention: { kind: 'softmax' },
    numClasses: 3,
  },
};

it('measures who can be measured, and reports who cannot', async () => {
  const benchmark = {
    contestants: CONTESTANTS.filter(({ name }) => ['eager', 'compiled', 'torch'].includes(name)),
    workloads: [tiny],
    rounds: 1,
    productSize: 64,
    precisions: ['float32'] as const,
    python: '/nowhere/python',
  };
  const { record, progress } = recordProgress();
  const [result] = await runStepBenchmark(benchmark, progress);
  expect(result!.entries.map(({ contestant }) => contestant.name)).toEqual(['eager', 'compiled']);
  for (const { difference, loss, forward, step, firstPeakBytes } of result!.entries) {
    expect(difference).toBeLessThan(1e-4);
    expect(loss).toBeGreaterThan(0);
    for (const { firstSeconds, seconds, peakBytes } of [forward, step]) {
      expect(firstSeconds).toBeGreaterThan(0);
      expect(seconds.length).toBeGreaterThanOrEqual(1);
      expect(Math.min(...seconds)).toBeGreaterThan(0);
      expect(peakBytes).toBeGreaterThan(50e6);
    }
    expect(firstPeakBytes).toBeGreaterThan(50e6);
  }
  // Of every pause, two cores or more count.
  expect(result!.pauses.totalMs).toBeGreaterThan(100);
  expect(result!.products).toMatchObject([{ runtime: 'tensorflow', precision: 'float32' }]);
  expect(result!.failures.map(({ label }) => label)).toEqual(['float32 products (PyTorch)', 'PyTorch eager']);
  for (const { reason } of result!.failures) expect(reason).toContain('ENOENT');
  expect(record.said.at(-1)).toMatch(/^4 tokens, round 1 of 1: /);
  // All of the plan but the rounds that the missing PyTorch did not take part in.
  expect(record.planned).toBeLessThan(planBenchmark(benchmark));
  expect(record.planned).toBeGreaterThan(0.7 * planBenchmark(benchmark));
});
