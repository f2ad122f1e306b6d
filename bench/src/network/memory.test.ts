import { expect, it } from 'vitest';
import { CONTESTANTS, type Entrant } from './contestants.ts';
import { splitByMemory } from './memory.ts';
import { createWorkload, NETWORK } from './workload.ts';

const entrant = (name: string, keepRatio = 1): Entrant => ({
  label: name,
  contestant: CONTESTANTS.find((contestant) => contestant.name === name)!,
  workload: createWorkload(8192, { ...NETWORK, depth: [1, 4, 1], attention: { kind: 'softmax' } }, keepRatio),
  runs: ['step'],
});

const labels = (entrants: readonly Entrant[], freeBytes: number) =>
  splitByMemory(entrants, freeBytes).map((group) => group.map(({ label }) => label));

it('keeps together, in order, what fits', () => {
  // 1 GB, and 200 bytes for 8,192 tokens in 6 blocks of 384: 3.8 GB.
  const three = ['compiled', 'torch', 'torch-compile'].map((name) => entrant(name));
  expect(labels(three, 15e9)).toEqual([['compiled', 'torch', 'torch-compile']]);
  expect(labels(three, 10e9)).toEqual([['compiled', 'torch'], ['torch-compile']]);
  expect(labels(three, 1e9)).toEqual([['compiled'], ['torch'], ['torch-compile']]);
});

it('counts eager tfjs for more, and a middle of fewer tokens for less', () => {
  expect(labels([entrant('compiled'), entrant('eager')], 10e9)).toHaveLength(2);
  // A quarter of 4 blocks, and 2: half the work.
  expect(labels([entrant('compiled'), entrant('compiled', 0.25)], 8e9)).toHaveLength(1);
});
