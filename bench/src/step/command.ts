import { bfloat16Support } from '@eflow/engine';
import { type Command, InvalidArgumentError, Option } from 'commander';
import { namesAmong, positiveInteger, positiveIntegers } from '../options.ts';
import { PRODUCT_SIZE } from '../products.ts';
import { createProgress } from '../progress.ts';
import { setUpContestants, startSession, writeReport } from '../session.ts';
import { runStepBenchmark, type StepBenchmark } from './benchmark.ts';
import { CONTESTANTS } from './contestants.ts';
import { planBenchmark } from './plan.ts';
import { createReport } from './report.ts';
import { formatReport } from './table.ts';
import { createWorkload, type Depth, TOKENS } from './workload.ts';

interface Flags {
  tokens: number[];
  rounds: number;
  only: readonly string[];
  depth: Depth;
  json?: string | true;
}

const NAMES = CONTESTANTS.map(({ name }) => name);

function tokenCounts(text: string): number[] {
  const counts = positiveIntegers(text);
  const unknown = counts.find((count) => !TOKENS.includes(count));
  if (unknown !== undefined) throw new InvalidArgumentError(`${unknown} is not among ${TOKENS.join(', ')}`);
  return counts;
}

function depth(text: string): Depth {
  const parts = positiveIntegers(text);
  if (parts.length !== 3) throw new InvalidArgumentError('expected blocks of encoder, middle and decoder: 1,2,1');
  return parts as [number, number, number];
}

export function addStepCommand(program: Command): void {
  program
    .command('step')
    .description(
      'One forward pass and one training step (forward, backward, clip, AdamW, EMA) of VideoDiT with softmax attention: TensorFlow.js eager and compiled, and PyTorch, in turns, beside the rate of plain matrix products.',
    )
    .addOption(
      new Option('--tokens <list>', 'tokens of a clip').argParser(tokenCounts).default(TOKENS, TOKENS.join(',')),
    )
    .option('--rounds <n>', 'turns that each contestant takes', positiveInteger, 5)
    .addOption(
      new Option('--only <list>', `contestants: ${NAMES.join(', ')}`)
        .argParser(namesAmong(NAMES))
        .default(NAMES, 'all'),
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
}

async function stepBenchmark(flags: Flags): Promise<void> {
  const session = startSession();
  const { machine, skipped, skip } = session;
  let chosen = CONTESTANTS.filter(({ name }) => flags.only.includes(name));
  if (!machine.hasBf16 && chosen.some(({ precision }) => precision === 'bf16')) {
    skip(`bfloat16 is skipped: this is ${bfloat16Support('cpu').by}.`);
    chosen = chosen.filter(({ precision }) => precision !== 'bf16');
  }
  const { contestants, python } = await setUpContestants(chosen, session);
  if (contestants.length === 0) throw new Error('no contestant is left to measure; choose others with --only');

  const benchmark: StepBenchmark = {
    contestants,
    workloads: flags.tokens.map((tokens) => createWorkload(tokens, flags.depth)),
    rounds: flags.rounds,
    productSize: PRODUCT_SIZE,
    precisions: machine.hasBf16 ? ['float32', 'bf16'] : ['float32'],
    python,
  };
  const progress = createProgress(planBenchmark(benchmark));
  const sizes = await runStepBenchmark(benchmark, progress).finally(progress.stop);
  writeReport(createReport({ machine, rounds: flags.rounds, skipped, sizes }), flags.json, formatReport);
}
