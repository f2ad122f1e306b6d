import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join, relative, resolve } from 'node:path';
import { addNote, appFile, commandLine, endOf, examples, runProgram, startNode } from '@eflow/cli';
import { RECORD_FILE, readEntries } from '@eflow/record';
import { Command } from 'commander';
import { describeTarget } from './target.ts';

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
    tellTarget(out);
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

/** Says how far a measured run came, beside the record, here and on its page. */
function tellTarget(out: string): void {
  const target = describeTarget(
    JSON.parse(readFileSync(join(out, 'evaluation.json'), 'utf8')),
    readEntries(RECORD_FILE),
  );
  if (target === undefined) return;
  console.log(`\n${target}`);
  const page = join(out, 'report.html');
  writeFileSync(page, addNote(readFileSync(page, 'utf8'), target));
}

/** Runs an app as its user would, on this terminal; its failure, or Ctrl-C, ends the demo with the same exit code. */
async function runApp(name: string, args: string[]): Promise<void> {
  console.log(`\n$ ${commandLine(name)} ${args.map((arg) => (existsSync(arg) ? relative('.', arg) : arg)).join(' ')}`);
  const { code } = await endOf(startNode(appFile(name), args, 'inherit'));
  if (code !== 0) process.exit(code);
}
