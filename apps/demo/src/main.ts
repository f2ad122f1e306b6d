import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Command } from 'commander';

const APPS = fileURLToPath(new URL('../../', import.meta.url));

const program = new Command('start')
  .description('Trains the digits-tiny preset from scratch for about three minutes, samples from it, measures it and writes a report.')
  .option('--out <folder>', "the run's folder (default: runs/demo-1, or the next number that is free)")
  .argument('[overrides...]', 'changes to the preset, such as training.maxSeconds=600')
  .action(main);

function main(overrides: string[], flags: { out?: string }): void {
  const out = flags.out ?? nextFree();
  runApp('train', ['digits-tiny', ...overrides, '--out', out]);
  runApp('evaluate', [out]);
  runApp('sample', [out, '--steps', '4']);
  console.log(`\nThe report: ${resolve(out, 'report.html')}`);
}

/** runs/demo-1, or the first number after it that no run has. */
function nextFree(): string {
  let number = 1;
  while (existsSync(`runs/demo-${number}`)) number++;
  return `runs/demo-${number}`;
}

/** Runs an app as its user would, on this terminal; its failure, or Ctrl-C, ends the demo with the same exit code. */
function runApp(name: string, args: string[]): void {
  console.log(`\n$ pnpm ${name} ${args.map((arg) => relative('.', arg) || arg).join(' ')}`);
  const { status, error } = spawnSync(process.execPath, [...process.execArgv, join(APPS, name, 'src/main.ts'), ...args], { stdio: 'inherit' });
  if (error) throw error;
  if (status !== 0) process.exit(status ?? 1);
}

process.on('SIGINT', () => {}); // the app that runs gets it too, ends in its own way, and its exit code ends us
program.parse();
