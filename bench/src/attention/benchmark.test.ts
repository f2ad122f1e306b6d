import { expect, it } from 'vitest';
import { MACHINE, recordProgress } from '../../fixtures/progress.ts';
import { type AttentionResult, type Cell, countTurns, runAttentionBenchmark } from './benchmark.ts';
import { CONTESTANTS } from './contestants.ts';
import { createReport } from './report.ts';
import { formatReport } from './table.ts';

const checkCell = ({ difference, forward, gradient }: Cell) => {
  expect(Math.max(difference.forward, difference.gradient)).toBeLessThan(1e-4);
  for (const { firstSeconds, seconds, addedBytes } of [forward, gradient]) {
    expect(firstSeconds).toBeGreaterThan(0);
    expect(seconds.length).toBeGreaterThanOrEqual(1);
    expect(Math.min(...seconds)).toBeGreaterThan(0);
    expect(addedBytes).toBeLessThan(200e6);
  }
};

it('measures who can be measured, side by side and all kinds together, and reports who cannot', async () => {
  const benchmark = {
    kinds: ['glga'] as const,
    contestants: CONTESTANTS.filter(({ name }) => ['composed', 'torch'].includes(name)),
    headline: true,
    tokens: [20],
    shape: { batchSize: 2, numHeads: 3, headDim: 6, windowSize: 2 },
    rounds: 1,
    productSize: 64,
    python: '/nowhere/python',
  };
  const { record, progress } = recordProgress();
  const kept: string[] = [];
  const describe = (result: AttentionResult) =>
    formatReport(createReport({ ...benchmark, machine: MACHINE, skipped: [] }, result));
  const result = await runAttentionBenchmark(benchmark, progress, (sofar) => kept.push(describe(sofar)));

  const { comparisons, headline, failures } = result;
  // Dense, and with three quarters dropped.
  expect(comparisons.map(({ kind, length }) => [kind, length])).toEqual([
    ['glga', 5],
    ['glga', 20],
  ]);
  for (const { entries, failures: ofGroup, products, pauses } of comparisons) {
    expect(entries.map(({ contestant }) => contestant.name)).toEqual(['composed']);
    for (const cell of entries[0]!.cells) checkCell(cell);
    expect(entries[0]!.cells[0]!.native).toBe(false);
    expect(ofGroup.map(({ label }) => label)).toEqual(['PyTorch eager']);
    for (const { reason } of ofGroup) expect(reason).toContain('ENOENT');
    expect(products).toMatchObject([{ runtime: 'tensorflow', size: 64 }]);
    expect(pauses.totalMs).toBeGreaterThan(100);
  }
  expect(headline!.entries.map(({ kind, cells }) => [kind, cells.map(({ length }) => length)])).toEqual([
    ['glga', [5, 20]],
  ]);
  for (const cell of headline!.entries.flatMap(({ cells }) => cells)) checkCell(cell);
  expect(failures.map(({ label }) => label)).toEqual(['float32 products (PyTorch)']);
  expect(record.said.at(-1)).toMatch(/^all kinds, round 1 of 1: /);
  // One reference, first calls and a round of two at two lengths and of one kind; PyTorch, which is missing, takes no round.
  expect(countTurns(benchmark)).toBe(1 + 2 * 2 * 2 + 2);
  expect(record.turns).toBe(countTurns(benchmark) - 2);

  const text = describe(result);
  expect(text).toMatch(/^composed +20 +\d/m);
  expect(text).toContain('PyTorch eager at 20 tokens failed');
  expect(text).toMatch(/^glga, 75 % dropped +\d/m);
  // What each round added could be reported at once.
  expect(kept).toHaveLength(3);
  expect(kept[0]).toMatch(/^composed +5 +\d/m);
  expect(kept[0]).not.toMatch(/^composed +20 +\d/m);
  expect(kept[1]).toMatch(/^composed +20 +\d/m);
  expect(kept[1]).not.toContain('75 % dropped');
});
