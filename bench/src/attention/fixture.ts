import { MACHINE } from '../fixture.ts';
import type { AttentionResult, Comparison } from './benchmark.ts';
import { CONTESTANTS, NATIVE } from './contestants.ts';
import { type AttentionReport, createReport } from './report.ts';
import type { Cell, Entry, Timing } from './warm-up.ts';
import { type Kind, kernelLengths, type Shape } from './workload.ts';

// Measurements that nobody made, for the tests of what is made of them.

export const shape: Shape = { batchSize: 1, numHeads: 4, headDim: 64, windowSize: 64 };

const timing = (seconds: number[], form?: string): Timing => ({ firstSeconds: 2, seconds, addedBytes: 25e6, form });

function cell(length: number, forward: number[], gradient: number[], form?: string): Cell {
  const difference = { forward: 1e-7, gradient: 2e-6 };
  return { length, native: true, difference, forward: timing(forward, form), gradient: timing(gradient, form) };
}

const entry = (name: string, kind: Kind, cells: Cell[]): Entry => {
  const contestant = CONTESTANTS.find((candidate) => candidate.name === name)!;
  return { contestant, kind, version: '1.2.3', cells };
};

const group = {
  pauses: { busyMs: 30, totalMs: 200 },
  // 2e9 FLOPs in 20 ms: 100e9 per second.
  products: [{ runtime: 'tensorflow' as const, precision: 'float32' as const, size: 1000, seconds: [0.02] }],
};

/** Local attention of 1,024 tokens: its matrix products have 133,135,360 FLOPs forward. */
export const comparison: Comparison = {
  ...group,
  kind: 'local',
  length: 1024,
  interleaved: true,
  entries: [
    entry('native', 'local', [cell(1024, [0.002, 0.004, 0.001], [0.01])]),
    entry('composed', 'local', [cell(1024, [0.005], [0.02])]),
    entry('torch', 'local', [cell(1024, [0.003], [0.03], 'products')]),
    entry('torch-compile', 'local', [cell(1024, [0.004], [0.015], 'sdpa')]),
  ],
  failures: [],
};

/** Milliseconds at 1,024 tokens, and the power of tokens that they grow with, for the kinds that are measured. */
const CURVES: [kind: Kind, ms: number, power: number][] = [
  ['softmax', 6, 2],
  ['linear', 0.5, 1],
  ['local', 0.9, 1],
  ['sla', 1.5, 1.25],
  ['glga', 1.2, 1],
];

const tokens = [1024, 2048, 4096, 8192, 16384];

const result: AttentionResult = {
  comparisons: [comparison],
  headline: {
    ...group,
    entries: CURVES.map(([kind, ms, power]) => ({
      contestant: { ...NATIVE, label: kind },
      kind,
      version: '1.2.3',
      cells: kernelLengths(tokens).map((length) => {
        const seconds = (ms / 1000) * (length / 1024) ** power;
        return cell(length, [seconds], [3 * seconds]);
      }),
    })),
    failures: [],
  },
  failures: [],
};

export const report: AttentionReport = createReport(
  {
    machine: MACHINE,
    rounds: 3,
    shape,
    tokens,
    skipped: ['something is skipped'],
  },
  result,
);
