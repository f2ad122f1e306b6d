import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';

const file = fileURLToPath(new URL('./cli.ts', import.meta.url));
const { version } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8'));

/** Runs `eflow` from sources, where commands are called `pnpm`. */
const eflow = (...args: string[]) =>
  spawnSync(process.execPath, ['--import', 'tsx', '--conditions=@eflow/source', file, ...args], { encoding: 'utf8' });

const COMMANDS = ['train', 'sample', 'evaluate', 'data', 'fvd', 'ablation', 'engine'];

it('lists its commands, a line each, without loading any', () => {
  const { status, stdout, stderr } = eflow('--help');
  expect([status, stderr]).toEqual([0, '']);
  const [, list] = /^Commands:\n(.+?)\n\n/ms.exec(stdout)!;
  expect(list!.split('\n').map((line) => line.trim().split(' ')[0])).toEqual(COMMANDS);
  expect(eflow().stdout).toBe(stdout);
});

it('names the nearest command where there is none', () => {
  const { status, stdout, stderr } = eflow('trian', 'digits-tiny');
  expect([status, stdout]).toEqual([1, '']);
  expect(stderr).toBe("eflow: there is no command 'trian'; did you mean 'train'? All commands: npx eflow --help\n");
});

it.each(COMMANDS)('%s answers --help, with examples at its end', (name) => {
  const help = eflow(name, '--help');
  expect([help.status, help.stderr]).toEqual([0, '']);
  expect(help.stdout).toMatch(new RegExp(`^Usage: pnpm ${name} `));
  const [, examples] = help.stdout.split(/^Examples?:\n/m);
  for (const line of examples!.trimEnd().split('\n')) expect(line).toMatch(/^ {2}\S/);
});

it.each([[], ['train'], ['data']])('%j answers --version', (...name) => {
  const { status, stdout, stderr } = eflow(...name, '--version');
  expect([status, stdout, stderr]).toEqual([0, `${version}\n`, '']);
});

it('hands a command what follows its name', () => {
  const { status, stdout } = eflow('train', 'digits-tiny', 'training.steps=7', '--print-config');
  expect(status).toBe(0);
  expect(stdout).toContain('steps: 7\n');
  const { status: refused, stderr } = eflow('sample', 'nowhere', '--steps', '0');
  expect([refused, stderr]).toEqual([1, expect.stringContaining('expected an integer of at least 1')]);
});
