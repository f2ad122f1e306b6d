import { writeFileSync } from 'node:fs';
import { bfloat16Support } from '@eflow/engine';
import { Command, InvalidArgumentError, Option } from 'commander';
import { CONTESTANTS, type Contestant } from './contestants.ts';
import { describeMachine } from './machine.ts';
import { planBenchmark } from './plan.ts';
import { createProgress } from './progress.ts';
import { createReport } from './report.ts';
import { runStepBenchmark, type StepBenchmark } from './step-benchmark.ts';
import { formatReport } from './table.ts';
import { setUpTorch } from './torch-environment.ts';
import { createWorkload, type Depth, TOKENS } from './workload.ts';

interface Flags {
  tokens: number[];
  rounds: number;
  only: readonly Contestant[];
  depth: Depth;
  json?: string | true;
}

/** Large enough for the full rate, small enough for every round: 17 GFLOP. */
const PRODUCT_SIZE = 2048;
const NAMES = CONTESTANTS.map(({ name }) => name);

const positiveInteger = (text: string): number => {
  const value = Number(text);
  if (text.trim() === '' || !Number.isSafeInteger(value) || value < 1) {
    throw new InvalidArgumentError('expected an integer of at least 1');
  }
  return value;
};

function tokenCounts(text: string): number[] {
  const counts = text.split(',').map(positiveInteger);
  const unknown = counts.find((count) => !TOKENS.includes(count));
  if (unknown !== undefined) throw new InvalidArgumentError(`${unknown} is not among ${TOKENS.join(', ')}`);
  return counts;
}

function contestants(text: string): Contestant[] {
  const names = text.split(',');
  const unknown = names.find((name) => !NAMES.includes(name));
  if (unknown !== undefined) throw new InvalidArgumentError(`'${unknown}' is not among ${NAMES.join(', ')}`);
  return CONTESTANTS.filter(({ name }) => names.includes(name));
}

function depth(text: string): Depth {
  const parts = text.split(',').map(positiveInteger);
  if (parts.length !== 3) throw new InvalidArgumentError('expected blocks of encoder, middle and decoder: 1,2,1');
  return parts as [number, number, number];
}

const program = new Command('bench').description('Measures this project against its peers on this machine.');

program
  .command('step')
  .description(
    'One forward pass and one training step (forward, backward, clip, AdamW, EMA) of VideoDiT with softmax attention: TensorFlow.js eager and compiled, and PyTorch, in turns, beside the rate of plain matrix products.',
  )
  .addOption(new Option('--tokens <list>', 'tokens of a clip').argParser(tokenCounts).default(TOKENS, TOKENS.join(',')))
  .option('--rounds <n>', 'turns that each contestant takes', positiveInteger, 5)
  .addOption(
    new Option('--only <list>', `contestants: ${NAMES.join(', ')}`).argParser(contestants).default(CONTESTANTS, 'all'),
  )
  .addOption(
    new Option('--depth <list>', 'encoder, middle and decoder blocks').argParser(depth).default([1, 2, 1], '1,2,1'),
  )
  .option('--json [file]', 'write all figures as JSON, to standard output without a file')
  .addHelpText(
    'after',
    `
PyTorch comes from a virtual environment in the cache folder, made the first time (2.4 GB to download).

Examples:
  bench step --tokens 512 --rounds 3
  bench step --only compiled,torch-compile --json step.json`,
  )
  .action(stepBenchmark);

async function stepBenchmark(flags: Flags): Promise<void> {
  const machine = describeMachine();
  if (machine.loadAverage > 0.5)
    say(`Something else runs here: the load average is ${machine.loadAverage.toFixed(1)}.`);
  const skipped: string[] = [];
  const skip = (line: string) => {
    skipped.push(line);
    say(line);
  };
  let chosen = flags.only;
  if (!machine.hasBf16 && chosen.some(({ precision }) => precision === 'bf16')) {
    skip(`bfloat16 is skipped: this is ${bfloat16Support('cpu').by}.`);
    chosen = chosen.filter(({ precision }) => precision !== 'bf16');
  }
  let python: string | undefined;
  if (chosen.some(({ runtime }) => runtime === 'torch')) {
    python = await setUpTorch(say).catch((error: Error) => {
      skip(`PyTorch is skipped: ${error.message}`);
      return undefined;
    });
    if (python === undefined) chosen = chosen.filter(({ runtime }) => runtime !== 'torch');
  }
  if (chosen.length === 0) throw new Error('no contestant is left to measure; choose others with --only');

  const benchmark: StepBenchmark = {
    contestants: chosen,
    workloads: flags.tokens.map((tokens) => createWorkload(tokens, flags.depth)),
    rounds: flags.rounds,
    productSize: PRODUCT_SIZE,
    precisions: machine.hasBf16 ? ['float32', 'bf16'] : ['float32'],
    python,
  };
  const progress = createProgress(planBenchmark(benchmark));
  const sizes = await runStepBenchmark(benchmark, progress).finally(progress.stop);
  const report = createReport({ machine, rounds: flags.rounds, skipped, sizes });
  const json = `${JSON.stringify(report, null, 2)}\n`;
  if (flags.json === true) return void process.stdout.write(json);
  if (flags.json !== undefined) writeFileSync(flags.json, json);
  console.log(formatReport(report));
  if (flags.json !== undefined) console.log(`\n${flags.json}`);
}

const say = (line: string) => console.error(line);

// Ends by process.exit, so that what runs at the exit tidies up; the children end when their standard input does.
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(130));
program.parseAsync().catch((error: Error) => {
  console.error(`bench: ${error.message}`);
  process.exitCode = 1;
});
