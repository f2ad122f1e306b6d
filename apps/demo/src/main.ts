import { existsSync } from 'node:fs';
import { relative, resolve } from 'node:path';
import { appFile, commandLine, endOf, examples, runProgram, startNode } from '@eflow/cli';
import { Command } from 'commander';

const program = new Command('start')
  .description(
    'Train the preset digits-tiny from scratch in about three minutes, measure it, sample it and write a report.',
  )
  .option('--out <folder>', "the run's folder (default: runs/demo-1, or the next number that is free)")
  .argument('[overrides...]', 'changes to the preset, such as training.maxSeconds=600')
  .addHelpText('after', examples('start', '', 'training.maxSeconds=600 --out runs/longer'))
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
  console.log(`\n$ ${commandLine(name)} ${args.map((arg) => (existsSync(arg) ? relative('.', arg) : arg)).join(' ')}`);
  const { code } = await endOf(startNode(appFile(name), args, 'inherit'));
  if (code !== 0) process.exit(code);
}
