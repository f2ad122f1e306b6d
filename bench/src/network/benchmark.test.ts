import { expect, it } from 'vitest';
import { recordProgress } from '../../fixtures/progress.ts';
import { rateProducts } from '../products.ts';
import { countTurns, runVideoDiTBenchmark } from './benchmark.ts';
import { CONTESTANTS, type Entrant } from './contestants.ts';
import { countMiddle, type Network, type Run, type Workload } from './workload.ts';

const network: Network = {
  channels: 3,
  patchSize: [2, 4, 4],
  hiddenSize: 12,
  depth: [1, 2, 1],
  numHeads: 2,
  mlpRatio: 2,
  attention: { kind: 'softmax' },
  numClasses: 3,
};
const dense: Workload = {
  tokens: 12,
  batchSize: 2,
  clip: { numFrames: 4, height: 8, width: 12 },
  network,
  keepRatio: 1,
};
const dropped: Workload = { ...dense, keepRatio: 0.25 };
const again: Workload = { ...dense, network: { ...network, checkpoint: 'blocks' } };

const entrant = (name: string, workload: Workload, ...runs: Run[]): Entrant => ({
  label: `${name} ${workload.keepRatio}`,
  contestant: CONTESTANTS.find((contestant) => contestant.name === name)!,
  workload,
  runs,
});

const benchmark = {
  groups: [
    {
      title: '12 tokens',
      entrants: [
        entrant('compiled', dense, 'forward', 'weak', 'step'),
        entrant('compiled', dropped, 'forward', 'step'),
        entrant('torch', dense, 'forward', 'step'),
      ],
    },
    { title: 'memory', entrants: [entrant('eager', again, 'step')] },
  ],
  rounds: 1,
  productSize: 64,
  precisions: ['float32'] as const,
  python: '/nowhere/python',
};

it('measures who can be measured, and reports who cannot', async () => {
  const { record, progress } = recordProgress();
  const counts: boolean[][][] = [];
  const [result, memory] = await runVideoDiTBenchmark(benchmark, progress, (sofar) =>
    counts.push(
      sofar.map(({ entries }) =>
        entries.map((entry) => entry.step!.seconds.length > 0 && entry.step!.peakBytes > 50e6),
      ),
    ),
  );
  const { entries, failures, products, turns, pauses } = result!;
  expect(counts).toEqual([[[true, true]], [[true, true], [true]]]);
  expect(entries.map(({ entrant: { label, runs } }) => [label, runs])).toEqual([
    ['compiled 1', ['forward', 'weak', 'step']],
    ['compiled 0.25', ['forward', 'step']],
  ]);
  for (const entry of [...entries, ...memory!.entries]) {
    for (const difference of Object.values(entry.differences)) expect(difference).toBeLessThan(1e-4);
    for (const run of entry.entrant.runs) {
      const { firstSeconds, seconds, peakBytes } = entry[run]!;
      expect(firstSeconds).toBeGreaterThan(0);
      expect(seconds.length).toBeGreaterThanOrEqual(1);
      expect(Math.min(...seconds)).toBeGreaterThan(0);
      expect(peakBytes).toBeGreaterThan(50e6);
    }
    expect(entry.firstStep!.loss).toBeGreaterThan(0);
    expect(entry.firstPeakBytes).toBeGreaterThan(50e6);
  }
  // Fewer tokens for the middle give other numbers; blocks that run again do not.
  const [whole, quarter] = entries;
  expect(Object.keys(whole!.differences)).toEqual(['forward', 'weak']);
  expect(quarter!.firstStep!.loss).not.toBeCloseTo(whole!.firstStep!.loss, 6);
  expect(memory!.entries[0]!.firstStep!.loss).toBeCloseTo(whole!.firstStep!.loss, 6);

  // In one turn or several, as memory is free.
  expect(turns.flat()).toEqual(['compiled 1', 'compiled 0.25', 'torch 1']);
  // Two cores or more count in every pause.
  expect(pauses.totalMs).toBeGreaterThan(100);
  expect(products).toMatchObject([{ runtime: 'tensorflow', precision: 'float32' }]);
  expect(failures.map(({ label }) => label)).toEqual(['float32 products (PyTorch)', 'torch 1']);
  for (const { reason } of failures) expect(reason).toContain('ENOENT');
  expect(record.said).toContain('12 tokens, round 1 of 1: compiled 1');
  expect(record.said.at(-1)).toMatch(/^memory, round 1 of 1: /);
  // Two references, and first calls and a round of four; PyTorch, which is missing, takes no round.
  expect(countTurns(benchmark)).toBe(2 + 4 * 2);
  expect(record.turns).toBe(countTurns(benchmark) - 1);

  // The compiled step's products fall by those of the tokens that the middle does not see, linear layers' at least.
  const fell = whole!.firstStep!.graph!.matmulFlops - quarter!.firstStep!.graph!.matmulFlops;
  expect(fell).toBeGreaterThan(0.99 * (countMiddle(dense) - countMiddle(dropped)));
});

it('reports everyone whose reference cannot be made', async () => {
  const impossible = { ...dense, network: { ...network, mlpRatio: 1e12 } };
  const groups = [{ title: 'none', entrants: [entrant('compiled', impossible, 'forward')] }];
  const [result] = await runVideoDiTBenchmark({ ...benchmark, groups }, recordProgress().progress, () => {});
  expect(result!.entries).toEqual([]);
  expect(rateProducts(result!.products)).toEqual([]); // so that it can be reported

  expect(result!.failures).toEqual([
    { label: 'compiled 1', reason: expect.stringMatching(/^nothing to compare with: ./) },
  ]);
});
