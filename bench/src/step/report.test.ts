import { expect, it } from 'vitest';
import { MACHINE } from '../fixture.ts';
import type { GroupMeasurement } from '../video-dit/benchmark.ts';
import { CONTESTANTS, type Entrant } from '../video-dit/contestants.ts';
import type { Entry } from '../video-dit/warm-up.ts';
import { countFlops, createWorkload, NETWORK } from '../video-dit/workload.ts';
import { createReport } from './report.ts';
import { formatReport } from './table.ts';

const workload = createWorkload(512, { ...NETWORK, depth: [1, 2, 1], attention: { kind: 'softmax' } });
const flops = countFlops(workload);

const entrants = CONTESTANTS.map(
  (contestant): Entrant => ({ label: contestant.label, contestant, workload, runs: ['forward', 'step'] }),
);

const entry = (name: string, forwardSeconds: number[], stepSeconds: number[]): Entry => ({
  entrant: entrants.find(({ contestant }) => contestant.name === name)!,
  version: '1.2.3',
  differences: { forward: 1e-6 },
  firstStep: { loss: 1, gradNorm: 2, graph: { operations: 7, bytes: 2e5, matmulFlops: 3e9 } },
  loadedBytes: 1e8,
  firstPeakBytes: 3e9,
  forward: { firstSeconds: 5, seconds: forwardSeconds, peakBytes: 1e9 },
  step: { firstSeconds: 6, seconds: stepSeconds, peakBytes: 2e9 },
});

const size: GroupMeasurement = {
  group: { title: '512 tokens', entrants },
  turns: [['all']],
  pauses: { busyMs: 30, totalMs: 200 },
  products: [
    // 2e9 FLOPs
    { runtime: 'tensorflow', precision: 'float32', size: 1000, seconds: [0.02, 0.04, 0.03] },
    { runtime: 'torch', precision: 'float32', size: 1000, seconds: [0.02, 0.02, 0.01] },
    { runtime: 'torch', precision: 'bf16', size: 1000, seconds: [0.005] },
  ],
  entries: [
    entry('eager', [0.4], [1.2]),
    entry('compiled', [0.2, 0.8, 0.1], [0.6]),
    entry('bf16', [0.1], [0.3]),
    entry('torch-compile', [0.3], [0.6]),
  ],
  failures: [{ label: 'compiled + XLA', reason: 'no such kernel' }],
};

const report = createReport({
  machine: MACHINE,
  rounds: 3,
  skipped: ['something is skipped'],
  sizes: [size],
});

const reported = (name: string) => report.sizes[0]!.entries.find((e) => e.name === name)!;

it('compares medians, above 1 where faster, with torch.compile in the same precision', () => {
  // 0.4 / 0.2 and 0.3 / 0.2; 1.2 / 0.6 and 0.6 / 0.6.
  expect(reported('compiled').forward).toMatchObject({ timesEager: 2, timesTorchCompile: expect.closeTo(1.5, 9) });
  expect(reported('compiled').step).toMatchObject({ timesEager: 2, timesTorchCompile: 1 });
  expect(reported('bf16').step).toMatchObject({ timesEager: 4, timesTorchCompile: undefined });
});

it("takes shares of the best runtime's rate in the precision", () => {
  // float32: PyTorch's 2e9 / 0.02 = 100e9. bf16: 400e9.
  expect(reported('compiled').forward.shareOfLimit).toBeCloseTo(flops.forward / 0.2 / 100e9, 9);
  expect(reported('compiled').step.shareOfLimit).toBeCloseTo(flops.step / 0.6 / 100e9, 9);
  expect(reported('bf16').forward.shareOfLimit).toBeCloseTo(flops.forward / 0.1 / 400e9, 9);
});

it('prints every figure, failure and omission', () => {
  const text = formatReport(report);
  for (const part of ['abacus', 'abc1234', 'TensorFlow 1.2.3', 'PyTorch 1.2.3', 'something is skipped']) {
    expect(text).toContain(part);
  }
  expect(text).toContain('Other processes used 15 % of the machine: too much');
  expect(text).toContain('compiled + XLA failed: no such kernel');
  expect(text).toContain('512 tokens: 4 clips of 16x32x32, hidden size 384, 6 heads, depth 1/2/1, 38.2 GFLOP forward');
  expect(text).toContain('Graph of the step, compiled: 7 operations, 0.20 MB, 3.0 GFLOP in products');
  expect(text).toContain('Interleaved: in each round everyone took a turn.');
  expect(text).toMatch(/^compiled +200\.0 +150\.0\.\.500\.0 +3 +\d+ % +2\.00 +1\.50 +5\.0 +1\.0$/m);
});

it('survives JSON', () => {
  expect(formatReport(JSON.parse(JSON.stringify(report)))).toBe(formatReport(report));
});
