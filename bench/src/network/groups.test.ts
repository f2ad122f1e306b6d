import { expect, it } from 'vitest';
import { CONTESTANTS } from './contestants.ts';
import { createGroups, createMemoryGroup, dropped, type Selection } from './groups.ts';
import { NETWORK } from './workload.ts';

const selection: Selection = {
  tokens: [512, 4096],
  attention: ['softmax', 'linear', 'sla', 'glga'],
  keep: [1, 0.25],
  contestants: CONTESTANTS.filter(({ name }) => ['compiled', 'torch-compile'].includes(name)),
  runs: ['forward', 'weak', 'step'],
  peerAttention: ['softmax', 'sla', 'glga'],
  peerKeep: [1],
  size: { ...NETWORK, depth: [1, 4, 1] },
};

it('has the two backbones side by side, dense and with tokens dropped, and the others each for itself', () => {
  const groups = createGroups(selection);
  expect(groups.map(({ title }) => title)).toEqual([
    '512 tokens, softmax and glga',
    '512 tokens, linear',
    '512 tokens, sla',
    '4096 tokens, softmax and glga',
    '4096 tokens, linear',
    '4096 tokens, sla',
  ]);
  expect(groups[0]!.entrants.map(({ label, runs }) => [label, runs])).toEqual([
    ['compiled, softmax', ['forward', 'weak', 'step']],
    ['compiled, softmax, 75 % dropped', ['forward', 'step']],
    ['compiled, glga', ['forward', 'weak', 'step']],
    ['compiled, glga, 75 % dropped', ['forward', 'step']],
    ['torch.compile, softmax', ['forward', 'weak', 'step']],
    ['torch.compile, glga', ['forward', 'weak', 'step']],
  ]);
  // SLA has no peer, and linear attention's was not asked for.
  for (const group of [groups[1]!, groups[2]!]) {
    expect(new Set(group.entrants.map(({ contestant }) => contestant.name))).toEqual(new Set(['compiled']));
  }
});

it('names contestants alone where there is one network, and leaves out runs that are not asked for', () => {
  const step: Selection = { ...selection, attention: ['softmax'], keep: [1], runs: ['forward', 'step'] };
  expect(createGroups(step)[0]!.entrants.map(({ label, runs }) => [label, runs])).toEqual([
    ['compiled', ['forward', 'step']],
    ['torch.compile', ['forward', 'step']],
  ]);
});

it('gives one network to all contestants', () => {
  const [compiled, , , , torch] = createGroups(selection)[3]!.entrants;
  expect(torch!.workload).toBe(compiled!.workload);
  expect(compiled!.workload).toMatchObject({
    tokens: 4096,
    clip: { numFrames: 16, height: 64, width: 128 },
    network: { attention: { kind: 'softmax' }, hiddenSize: 384 },
  });
});

it('has no group where nobody takes part', () => {
  const torch = { ...selection, contestants: selection.contestants.slice(1) };
  expect(createGroups(torch).map(({ title }) => title)).toEqual([
    '512 tokens, softmax and glga',
    '4096 tokens, softmax and glga',
  ]);
  expect(createMemoryGroup(torch, ['none'])).toBeUndefined();
});

it('measures the memory of twelve blocks at the most tokens, of GLGA if it is there', () => {
  const { title, entrants } = createMemoryGroup(selection, ['none', 'blocks'])!;
  expect(title).toBe('memory of a step, 4096 tokens, glga');
  expect(entrants.map(({ workload, runs }) => [workload.network.depth, workload.network.checkpoint, runs])).toEqual([
    [[2, 8, 2], 'none', ['step']],
    [[2, 8, 2], 'blocks', ['step']],
  ]);
  expect(createMemoryGroup({ ...selection, attention: ['linear'] }, ['none'])!.title).toContain('linear');
  expect(createMemoryGroup(selection, [])).toBeUndefined();
});

it('names shares without a rest', () => {
  expect([0.5, 0.25, 0.125, 1 / 3].map(dropped)).toEqual([
    '50 % dropped',
    '75 % dropped',
    '87.5 % dropped',
    '66.7 % dropped',
  ]);
});
