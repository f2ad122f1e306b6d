import { MACHINE } from '../fixture.ts';
import type { GroupMeasurement } from './benchmark.ts';
import { CONTESTANTS, type Entrant } from './contestants.ts';
import { createGroups, createMemoryGroup, type Selection, WINDOW_SIZE } from './groups.ts';
import { createReport, type NetworkReport } from './report.ts';
import type { Entry, Timing } from './warm-up.ts';
import { countMiddle, NETWORK, RUNS } from './workload.ts';

// Measurements that nobody made, for the tests of what is made of them.

const selection: Selection = {
  tokens: [512, 4096],
  kinds: ['softmax', 'sla', 'glga'],
  keepRatios: [1, 0.5, 0.25],
  contestants: CONTESTANTS.filter(({ name }) => ['compiled', 'torch', 'torch-compile'].includes(name)),
  runs: RUNS,
  peerKinds: ['softmax', 'glga'],
  peerKeepRatios: [1],
  size: { ...NETWORK, depth: [1, 4, 1] },
};

const timing = (seconds: number[], form?: string): Timing => ({ firstSeconds: 2, seconds, peakBytes: 3e9, form });

/** Seconds of a dense step for each 512 tokens: at 4,096 softmax takes eight times as much more. */
const STEP: Readonly<Record<string, number>> = { softmax: 0.8, sla: 0.5, glga: 0.4 };
const FACTORS: Readonly<Record<string, number>> = { compiled: 1, torch: 2, 'torch-compile': 1.25 };
/** Products in the graph of a dense step, whatever the number of tokens. */
const DENSE_FLOPS = 1e12;

function measure(entrant: Entrant): Entry {
  const { contestant, workload } = entrant;
  const { tokens, keepRatio, network } = workload;
  const { kind } = network.attention;
  const length = tokens / 512;
  const dense = STEP[kind]! * (kind === 'softmax' ? length ** 2 : length) * FACTORS[contestant.name]!;
  const step = dense * (0.2 + 0.8 * keepRatio);
  const middle = countMiddle({ ...workload, keepRatio: 1 }) - countMiddle(workload);
  const graph = { operations: 70, bytes: 2e5, matmulFlops: DENSE_FLOPS - middle / 2 };
  return {
    entrant,
    version: '1.2.3',
    differences: { forward: 1e-6 },
    firstStep: { loss: 1, gradNorm: 2, graph: contestant.runtime === 'tensorflow' ? graph : undefined },
    loadedBytes: 1e9,
    firstPeakBytes: 3e9,
    forward: timing(
      [step / 4, step / 5, step / 3],
      contestant.runtime === 'torch' && kind === 'glga' ? 'sdpa' : undefined,
    ),
    ...(keepRatio === 1 && { weak: timing([step / 16]) }),
    step: timing([step]),
  };
}

const measured = {
  pauses: { busyMs: 30, totalMs: 200 },
  // 2e9 FLOPs in 20 ms: 100e9 per second.
  products: [{ runtime: 'tensorflow' as const, precision: 'float32' as const, size: 1000, seconds: [0.02] }],
  failures: [],
};

export const groups = createGroups(selection).map(
  (group): GroupMeasurement => ({
    ...measured,
    group,
    turns: [group.entrants.map(({ label }) => label)],
    entries: group.entrants.map(measure),
  }),
);

const memoryGroup = createMemoryGroup(selection, ['none', 'blocks'])!;

export const memory: GroupMeasurement = {
  ...measured,
  group: memoryGroup,
  turns: [['all']],
  entries: memoryGroup.entrants.map((entrant, i) => ({
    ...measure(entrant),
    firstPeakBytes: i === 0 ? 9e9 : 4e9,
    step: { firstSeconds: 9, seconds: i === 0 ? [3] : [4], peakBytes: i === 0 ? 8e9 : 5e9 },
  })),
};

export const head = {
  machine: MACHINE,
  rounds: 3,
  size: selection.size,
  windowSize: WINDOW_SIZE,
  skipped: ['something is skipped'],
};

export const report: NetworkReport = createReport(head, groups, memory);
