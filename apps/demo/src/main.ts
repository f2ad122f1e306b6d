import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { constants } from 'node:os';
import { join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { runProgram } from '@eflow/cli';
import { Command } from 'commander';

const APPS = fileURLToPath(new URL('../../', import.meta.url));

const program = new Command('start')
  .description(
    'Trains the digits-tiny preset from scratch for about three minutes, measures it, samples from it and writes a report.',
  )
  .option('--out <folder>', "the run's folder (default: runs/demo-1, or the next number that is free)")
  .argument('[overrides...]', 'changes to the preset, such as training.maxSeconds=600')
  .action(async (overrides: string[], flags: { out?: string }) => {
    const out = flags.out ?? nextFree();
    await runApp('train', ['digits-tiny', ...overrides, '--out', out]);
    await runApp('evaluate', [out]);
    await runApp('sample', [out]);
    console.log(`\nThe report: ${resolve(out, 'report.html')}`);
  });
await runProgram(program);

/** runs/demo-1, or the first number after it that no run has. */
function nextFree(): string {
  let number = 1;
  while (existsSync(`runs/demo-${number}`)) number++;
  return `runs/demo-${number}`;
}

/** Runs an app as its user would, on this terminal; its failure, or Ctrl-C, ends the demo with the same exit code. */
async function runApp(name: string, args: string[]): Promise<void> {
  console.log(`\n$ pnpm ${name} ${args.map((arg) => (existsSync(arg) ? relative('.', arg) : arg)).join(' ')}`);
  const child = spawn(process.execPath, [...process.execArgv, join(APPS, name, 'src/main.ts'), ...args], {
    stdio: 'inherit',
  });
  // A terminal sends Ctrl-C to the app itself; a signal to the demo alone is passed on.
  const forward = (signal: NodeJS.Signals) => void (process.stdin.isTTY || child.kill(signal));
  process.on('SIGINT', forward).on('SIGTERM', forward);
  const code = await new Promise<number>((done, failed) => {
    child.on('error', failed);
    child.on('exit', (exitCode, signal) => done(exitCode ?? 128 + constants.signals[signal!]));
  });
  process.off('SIGINT', forward).off('SIGTERM', forward);
  if (code !== 0) process.exit(code);
}
