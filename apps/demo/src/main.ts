import { existsSync } from 'node:fs';
import { relative, resolve } from 'node:path';
import { appFile, endOf, runProgram, startNode } from '@eflow/cli';
import { Command } from 'commander';

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
  const { code } = await endOf(startNode(appFile(name), args, 'inherit'));
  if (code !== 0) process.exit(code);
}
