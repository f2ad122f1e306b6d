import { Command } from 'commander';
import { expect, it } from 'vitest';
import { KINDS } from '../attention/workload.ts';
import { addNetworkCommand, addStepCommand, createSize, type Flags } from './command.ts';

/** What the command would run with. */
async function parseOf(command: 'network' | 'step', ...args: string[]): Promise<Flags> {
  let parsed: Flags | undefined;
  const program = new Command('bench').exitOverride();
  const keep = async (flags: Flags) => {
    parsed = flags;
  };
  addNetworkCommand(program, keep);
  addStepCommand(program, keep);
  for (const command of program.commands) command.exitOverride().configureOutput({ writeErr: () => {} });
  await program.parseAsync([command, ...args], { from: 'user' });
  return parsed!;
}

const parse = (...args: string[]) => parseOf('network', ...args);

it('measures every attention unless told otherwise, softmax and GLGA beside PyTorch', async () => {
  expect(await parse()).toEqual({
    tokens: [512, 2048, 4096, 8192],
    attention: KINDS,
    keep: [1, 0.25],
    only: ['compiled', 'torch', 'torch-compile'],
    peerAttention: ['softmax', 'glga'],
    peerKeep: [1],
    checkpoint: ['none', 'blocks'],
    rounds: 3,
    runs: ['forward', 'weak', 'step'],
  });
});

it('has a preset of steps of softmax attention, by every contestant, without the weak path', async () => {
  const preset = {
    tokens: [512, 2048, 8192],
    attention: ['softmax'],
    keep: [1],
    only: ['eager', 'compiled', 'xla', 'bf16', 'torch', 'torch-compile', 'torch-compile-bf16'],
    peerAttention: ['softmax'],
    peerKeep: [1],
    depth: [1, 2, 1],
    checkpoint: false,
    runs: ['forward', 'step'],
    rounds: 5,
  };
  expect(await parseOf('step')).toEqual(preset);
  const changed = await parseOf('step', '--tokens', '512', '--only', 'bf16,compiled', '--json', 'a.json');
  expect(changed).toEqual({ ...preset, tokens: [512], only: ['compiled', 'bf16'], json: 'a.json' });
});

it('takes lists and sizes', async () => {
  const args =
    '--tokens 4096 --attention glga,sla --keep 0.125,1,0.5,1 --only torch,compiled --peer-attention sla --peer-keep 0.5 ' +
    '--depth 2,4,2 --size 48 --heads 2 --checkpoint blocks --rounds 5';
  expect(await parse(...args.split(' '))).toEqual({
    tokens: [4096],
    attention: ['sla', 'glga'],
    keep: [1, 0.5, 0.125],
    only: ['compiled', 'torch'],
    peerAttention: ['sla'],
    peerKeep: [0.5],
    depth: [2, 4, 2],
    size: 48,
    heads: 2,
    checkpoint: ['blocks'],
    rounds: 5,
    runs: ['forward', 'weak', 'step'],
  });
  expect(await parse('--no-checkpoint')).toMatchObject({ checkpoint: false });
});

it('is quick where nothing else is asked for', async () => {
  const quick = { tokens: [512, 2048], attention: ['softmax', 'glga'], rounds: 1 };
  expect(await parse('--quick')).toMatchObject(quick);
  expect(await parse('--quick', '--rounds', '7')).toMatchObject({ ...quick, rounds: 7 });
  expect(await parse('--attention', 'sla', '--quick')).toMatchObject({ ...quick, attention: ['sla'] });
});

it('takes a file and a folder, or none', async () => {
  expect(await parse('--json', '--figure')).toMatchObject({ json: true, figure: true });
  expect(await parse('--json', 'a.json', '--figure', 'b')).toMatchObject({ json: 'a.json', figure: 'b' });
});

it.each([
  ['--tokens', '8', '8 is not among 512, 1024, 2048, 4096, 8192, 16384'],
  ['--keep', '1,0', 'shares of tokens to keep, in (0, 1]'],
  ['--keep', 'half', 'shares of tokens to keep, in (0, 1]'],
  ['--depth', '1,4', 'blocks of encoder, middle and decoder'],
  ['--preset', 'VideoDiT-M', 'VideoDiT-Ti, VideoDiT-S'],
  ['--checkpoint', 'all', "'all' is not among none, blocks"],
  ['--only', 'jax', "'jax' is not among eager, compiled, xla, bf16, torch, torch-compile, torch-compile-bf16"],
])('refuses %s %s', async (option, value, message) => {
  await expect(parse(option, value)).rejects.toThrow(message);
});

it('refuses a preset with other sizes', async () => {
  await expect(parse('--preset', 'VideoDiT-S', '--size', '48')).rejects.toThrow('cannot be used with');
});

it('has the sizes of a preset, but for a depth of its own', () => {
  expect(createSize({})).toMatchObject({ hiddenSize: 384, numHeads: 6, depth: [1, 4, 1], patchSize: [2, 4, 4] });
  expect(createSize({ size: 48, heads: 2 })).toMatchObject({ hiddenSize: 48, numHeads: 2, depth: [1, 4, 1] });
  const base = { hiddenSize: 768, numHeads: 12, patchSize: [1, 2, 2], channels: 3 };
  expect(createSize({ preset: 'VideoDiT-B' })).toMatchObject({ ...base, depth: [2, 8, 2] });
  expect(createSize({ preset: 'VideoDiT-B', depth: [1, 1, 1] })).toMatchObject({ ...base, depth: [1, 1, 1] });
  expect(createSize({ preset: 'VideoDiT-B' })).not.toHaveProperty('attention');
});

it('refuses sizes that do not go together', () => {
  expect(() => createSize({ heads: 7 })).toThrow('hiddenSize 384 is not a multiple of numHeads 7');
});

it('refuses a figure of one point', async () => {
  const program = new Command('bench');
  addNetworkCommand(program);
  const args = ['network', '--tokens', '512', '--keep', '1', '--figure'];
  await expect(program.parseAsync(args, { from: 'user' })).rejects.toThrow('several --tokens or several shares');
});
