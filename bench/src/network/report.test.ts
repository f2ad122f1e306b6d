import { countNetwork } from '@eflow/video-dit';
import { describe, expect, it } from 'vitest';
import { groups, head, memory, report } from '../../fixtures/network-report.ts';
import { CONTESTANTS } from './contestants.ts';
import { createGroups } from './groups.ts';
import { createReport } from './report.ts';
import { formatReport } from './table.ts';

const entry = (label: string, group = 0) => report.groups[group]!.entries.find((at) => at.label === label)!;
const { summary } = report;
const at =
  (tokens: number, kind: string, keepRatio = 1) =>
  (ratio: { tokens: number; kind: string; keepRatio: number }) =>
    ratio.tokens === tokens && ratio.kind === kind && ratio.keepRatio === keepRatio;

it('compares medians with PyTorch on the same network alone, above 1 where faster', () => {
  const { forward, weak, step } = entry('compiled, glga');
  expect(step).toMatchObject({ timesTorch: 2, timesTorchCompile: 1.25 });
  expect(forward!.timesTorch).toBeCloseTo(2, 9);
  expect(weak!.timesTorchCompile).toBeCloseTo(1.25, 9);
  expect(entry('compiled, glga, 75 % dropped').step!.timesTorch).toBeUndefined();
});

it('takes shares of the rate of products, of the FLOPs of each run', () => {
  const { kind, tokens, keptTokens, flops, step, weak } = entry('compiled, softmax, 75 % dropped');
  expect({ kind, tokens, keptTokens }).toEqual({ kind: 'softmax', tokens: 512, keptTokens: 128 });
  const { clip, network } = groups[0]!.group.entrants[0]!.workload;
  const count = countNetwork(network, clip, { batchSize: 4, keepRatio: 0.25 });
  expect(flops).toEqual({ forward: count.forwardFlops, weak: count.weakFlops, step: count.stepFlops });
  // 0.8 s, of which 0.2 + 0.8 / 4 are left.
  expect(step!.shareOfLimit).toBeCloseTo(count.stepFlops / 0.32 / 100e9, 9);
  expect(weak).toBeUndefined();
});

describe('steps of one network in several precisions', () => {
  const [group] = createGroups({
    tokens: [512],
    attention: ['softmax'],
    keep: [1],
    peerAttention: ['softmax'],
    peerKeep: [1],
    contestants: CONTESTANTS,
    runs: ['forward', 'step'],
    size: head.size,
  });
  const entryOf = (name: string, forward: number[], step: number[]) => ({
    ...groups[0]!.entries[0]!,
    entrant: group!.entrants.find(({ contestant }) => contestant.name === name)!,
    weak: undefined,
    forward: { firstSeconds: 5, seconds: forward, peakBytes: 1e9 },
    step: { firstSeconds: 6, seconds: step, peakBytes: 2e9 },
  });
  const stepReport = createReport(head, [
    {
      ...groups[0]!,
      group: group!,
      products: [
        // 2e9 FLOPs
        { runtime: 'tensorflow', precision: 'float32', size: 1000, seconds: [0.02, 0.04, 0.03] },
        { runtime: 'torch', precision: 'float32', size: 1000, seconds: [0.02, 0.02, 0.01] },
        { runtime: 'torch', precision: 'bf16', size: 1000, seconds: [0.005] },
      ],
      entries: [
        entryOf('eager', [0.4], [1.2]),
        entryOf('compiled', [0.2, 0.8, 0.1], [0.6]),
        entryOf('bf16', [0.1], [0.3]),
        entryOf('torch-compile', [0.3], [0.6]),
      ],
    },
  ]);
  const reported = (name: string) => stepReport.groups[0]!.entries.find((one) => one.name === name)!;

  it('compares medians, above 1 where faster, with torch.compile in the same precision', () => {
    // 0.4 / 0.2 and 0.3 / 0.2; 1.2 / 0.6 and 0.6 / 0.6.
    expect(reported('compiled').forward).toMatchObject({ timesEager: 2, timesTorchCompile: expect.closeTo(1.5, 9) });
    expect(reported('compiled').step).toMatchObject({ timesEager: 2, timesTorchCompile: 1 });
    expect(reported('bf16').step).toMatchObject({ timesEager: 4, timesTorchCompile: undefined });
  });

  it("takes shares of the best runtime's rate in the precision", () => {
    // float32: PyTorch's 2e9 / 0.02 = 100e9. bf16: 400e9.
    const { flops, forward } = reported('compiled');
    expect(forward!.shareOfLimit).toBeCloseTo(flops.forward / 0.2 / 100e9, 9);
    expect(reported('bf16').forward!.shareOfLimit).toBeCloseTo(flops.forward / 0.1 / 400e9, 9);
  });

  it('prints the forward pass and the step of every contestant, and the graph', () => {
    const text = formatReport(stepReport);
    expect(text).toContain('512 tokens, softmax: 4 clips of 16x32x32');
    expect(text).toMatch(/^Graph of the step, compiled: \d+ operations, [\d.]+ MB, [\d.]+ GFLOP in products$/m);
    expect(text).toMatch(/^compiled +\d+\.\d +200\.0 +150\.0\.\.500\.0 +3 +\d+ % +2\.00 +- +1\.50 +5\.0 +1\.0$/m);
    expect(text).not.toContain('weak path  ');
  });
});

it('finds what dropping saves, the share of the weak path, and the backbones', () => {
  // 1 / (0.2 + 0.8 / 4) and 1 / (0.2 + 0.8 / 2), everywhere.
  expect(summary.dropSpeedup).toHaveLength(12);
  expect(summary.dropSpeedup.find(at(4096, 'sla', 0.25))!.value).toBeCloseTo(2.5, 9);
  expect(summary.dropSpeedup.find(at(512, 'glga', 0.5))!.value).toBeCloseTo(1 / 0.6, 9);
  // A sixteenth of the step over the median, a quarter.
  expect(summary.weakShare).toHaveLength(6);
  expect(summary.weakShare.find(at(512, 'sla'))!.value).toBeCloseTo(0.25, 9);
  expect(summary.stepOverTorchCompile.map(({ tokens, kind, value }) => [tokens, kind, value])).toEqual([
    [512, 'softmax', 1.25],
    [512, 'glga', 1.25],
    [4096, 'softmax', 1.25],
    [4096, 'glga', 1.25],
  ]);
  // At 4,096 tokens 0.8 x 64 over 0.4 x 8, and 2.5 times that.
  expect(summary.backboneStep.find(at(4096, 'glga'))!.value).toBeCloseTo(16, 9);
  expect(summary.backboneStep.find(at(4096, 'glga', 0.25))!.value).toBeCloseTo(40, 9);
  expect(summary.backboneForward.map(({ keepRatio }) => keepRatio)).toEqual([1, 1]);
});

it("compares what the step's graph lost of products with the dropped tokens' in the middle's linear layers", () => {
  // 12 products of 384 x 384 for 3,072 tokens in each of 4 blocks, and one in the fusion; three times, with the gradient.
  const [whole, quarter] = [entry('compiled, softmax', 2), entry('compiled, softmax, 75 % dropped', 2)];
  expect(whole.middleFlops - quarter.middleFlops).toBe(3 * 2 * 3072 * 384 ** 2 * (4 * 12 + 1));
  expect(summary.lostProducts).toHaveLength(12);
  expect(summary.lostProducts.find(at(4096, 'softmax', 0.25))!.value).toBeCloseTo(0.5, 9);
});

it('compares the highest memory of all steps, and what they add to what was loaded', () => {
  const { entries, ratios } = report.memory!;
  expect(entries.map(({ peakBytes, addedBytes }) => [peakBytes, addedBytes])).toEqual([
    [9e9, 8e9],
    [5e9, 4e9],
  ]);
  expect(ratios).toEqual({ peakBytes: 5 / 9, addedBytes: 0.5, stepSeconds: 4 / 3 });
});

it('prints every figure, failure and omission', () => {
  const text = formatReport(report);
  for (const part of ['abacus', 'abc1234', 'TensorFlow 1.2.3', 'PyTorch 1.2.3', 'something is skipped']) {
    expect(text).toContain(part);
  }
  expect(text).toContain('Hidden size 384, 6 heads, depth 1/4/1, MLPs of 4, patches of 2x4x4, windows of +-64');
  expect(text).toContain('512 tokens, softmax and glga: 4 clips of 16x32x32');
  expect(text).toContain('Other processes used 15 % of the machine: too much');
  expect(text).toContain("PyTorch's fastest form, forward/weak/step: PyTorch eager, glga sdpa");
  expect(text).toMatch(/^compiled, glga +\d+\.\d +400\.0 +400\.0\.\.400\.0 +1 +\d+ % +- +2\.00 +1\.25 +2\.0 +3\.0$/m);
  expect(text).toMatch(/^Steps with tokens dropped.*\n {2}softmax, 50 % dropped +1\.67 +1\.67$/m);
  expect(text).toMatch(/^Weak path over a forward pass *\n {2}softmax +25 % +25 %$/m);
  expect(text).toMatch(/^Memory of a step: glga, 4096 tokens, depth 2\/8\/2 /m);
  expect(text).toMatch(/^ {2}blocks run again +1\.0 +5\.0 +4\.0 +4\.00$/m);
  expect(text).toMatch(/^ {2}over all kept +0\.56 +0\.50 +1\.33$/m);
});

it('reports what failed, who was measured apart, and nothing where there is nothing to compare', () => {
  const lonely = { ...groups[0]!, entries: groups[0]!.entries.slice(0, 1), turns: [['one', 'two'], ['three']] };
  const failures = [{ label: 'blocks run again', reason: 'no memory' }];
  const text = formatReport(
    createReport(head, [{ ...lonely, failures: [{ label: 'torch', reason: 'killed' }] }], {
      ...memory,
      entries: memory.entries.slice(0, 1),
      failures,
    }),
  );
  expect(text).toContain('torch failed: killed');
  expect(text).toContain('not everyone took turns with everyone: one + two; then three');
  expect(text).toContain('blocks run again failed: no memory');
  expect(text).not.toContain('over all kept');
  expect(text).not.toContain('Steps with tokens dropped');
});

it('survives JSON', () => {
  expect(formatReport(JSON.parse(JSON.stringify(report)))).toBe(formatReport(report));
});
