import { Command } from 'commander';
import { expect, it } from 'vitest';
import { addAttentionCommand, type Flags } from './command.ts';
import { KINDS } from './workload.ts';

/** What the command would run with. */
async function parse(...args: string[]): Promise<Flags> {
  let parsed: Flags | undefined;
  const program = new Command('bench').exitOverride();
  addAttentionCommand(program, async (flags) => {
    parsed = flags;
  });
  for (const command of program.commands) command.exitOverride().configureOutput({ writeErr: () => {} });
  await program.parseAsync(['attention', ...args], { from: 'user' });
  return parsed!;
}

it('measures everything unless told otherwise', async () => {
  expect(await parse()).toEqual({
    tokens: [1024, 2048, 4096, 8192, 16384],
    kinds: KINDS,
    only: ['native', 'composed', 'torch', 'torch-compile', 'headline'],
    rounds: 3,
    batch: 1,
    heads: 4,
    headDim: 64,
    window: 64,
  });
});

it('takes lists and sizes', async () => {
  const args = '--tokens 8,64 --kinds glga,softmax --only headline --heads 2 --head-dim 8 --window 3 --batch 5';
  expect(await parse(...args.split(' '))).toMatchObject({
    tokens: [8, 64],
    kinds: ['softmax', 'glga'],
    only: ['headline'],
    heads: 2,
    headDim: 8,
    window: 3,
    batch: 5,
  });
});

it('is quick where nothing else is asked for', async () => {
  expect(await parse('--quick')).toMatchObject({ tokens: [1024, 4096], rounds: 1 });
  expect(await parse('--quick', '--rounds', '7')).toMatchObject({ tokens: [1024, 4096], rounds: 7 });
  expect(await parse('--tokens', '64', '--quick')).toMatchObject({ tokens: [64], rounds: 1 });
});

it('takes a file and a folder, or none', async () => {
  expect(await parse('--json', '--figure')).toMatchObject({ json: true, figure: true });
  expect(await parse('--json', 'a.json', '--figure', 'b')).toMatchObject({ json: 'a.json', figure: 'b' });
});

it.each([
  ['--tokens', '8,0', 'at least 1'],
  ['--tokens', '1k', 'at least 1'],
  ['--rounds', '1.5', 'at least 1'],
  ['--kinds', 'flash', `'flash' is not among ${KINDS.join(', ')}`],
  ['--only', 'native,xla', "'xla' is not among native, composed, torch, torch-compile, headline"],
])('refuses %s %s', async (option, value, message) => {
  await expect(parse(option, value)).rejects.toThrow(message);
});

it('refuses a figure of what is not measured', async () => {
  const program = new Command('bench');
  addAttentionCommand(program);
  await expect(program.parseAsync(['attention', '--only', 'native', '--figure'], { from: 'user' })).rejects.toThrow(
    'add it to --only',
  );
});
