import { integer } from '@eflow/cli';
import { bfloat16Support } from '@eflow/engine';
import { type Command, Option } from 'commander';
import { JSON_OPTION, namesAmong } from '../options.ts';
import { PRODUCT_SIZE } from '../products.ts';
import { createProgress } from '../progress.ts';
import { createRecorder, setUpContestants, startSession } from '../session.ts';
import {
  type Group,
  type GroupMeasurement,
  runVideoDiTBenchmark,
  type VideoDiTBenchmark,
} from '../video-dit/benchmark.ts';
import { CONTESTANTS, type Contestant } from '../video-dit/contestants.ts';
import { depth, tokenCounts } from '../video-dit/options.ts';
import { planBenchmark } from '../video-dit/plan.ts';
import { createWorkload, type Depth, NETWORK } from '../video-dit/workload.ts';
import { createReport } from './report.ts';
import { formatReport } from './table.ts';

interface Flags {
  tokens: number[];
  rounds: number;
  only: readonly string[];
  depth: Depth;
  json?: string | true;
}

const NAMES = CONTESTANTS.map(({ name }) => name);

const TOKENS = [512, 2048, 8192];

export function addStepCommand(program: Command): void {
  program
    .command('step')
    .description(
      'One forward pass and one training step (forward, backward, clip, AdamW, EMA) of VideoDiT with softmax attention: TensorFlow.js eager and compiled, and PyTorch, in turns, beside the rate of plain matrix products.',
    )
    .addOption(
      new Option('--tokens <list>', 'tokens of a clip').argParser(tokenCounts).default(TOKENS, TOKENS.join(',')),
    )
    .option('--rounds <n>', 'turns that each contestant takes', integer(1), 5)
    .addOption(
      new Option('--only <list>', `contestants: ${NAMES.join(', ')}`)
        .argParser(namesAmong(NAMES))
        .default(NAMES, 'all'),
    )
    .addOption(
      new Option('--depth <list>', 'encoder, middle and decoder blocks').argParser(depth).default([1, 2, 1], '1,2,1'),
    )
    .option(...JSON_OPTION)
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
  const recorder = createRecorder(flags.json, formatReport);
  const session = startSession();
  const { machine, skipped, skip } = session;
  let chosen = CONTESTANTS.filter(({ name }) => flags.only.includes(name));
  if (!machine.hasBf16 && chosen.some(({ precision }) => precision === 'bf16')) {
    skip(`bfloat16 is skipped: this is ${bfloat16Support('cpu').by}.`);
    chosen = chosen.filter(({ precision }) => precision !== 'bf16');
  }
  const { contestants, python } = await setUpContestants(chosen, session);
  if (contestants.length === 0) throw new Error('no contestant is left to measure; choose others with --only');

  const benchmark: VideoDiTBenchmark = {
    groups: flags.tokens.map((tokens) => createGroup(tokens, flags.depth, contestants)),
    rounds: flags.rounds,
    productSize: PRODUCT_SIZE,
    precisions: machine.hasBf16 ? ['float32', 'bf16'] : ['float32'],
    python,
  };
  const progress = createProgress(planBenchmark(benchmark));
  const reportOn = (sizes: readonly GroupMeasurement[]) =>
    createReport({ machine, rounds: flags.rounds, skipped, sizes });
  const keep = (sizes: readonly GroupMeasurement[]) => recorder.keep(reportOn(sizes));
  recorder.finish(reportOn(await runVideoDiTBenchmark(benchmark, progress, keep).finally(progress.stop)));
}

function createGroup(tokens: number, depth: Depth, contestants: readonly Contestant[]): Group {
  const workload = createWorkload(tokens, { ...NETWORK, depth, attention: { kind: 'softmax' } });
  return {
    title: `${tokens} tokens`,
    entrants: contestants.map((contestant) => ({
      label: contestant.label,
      contestant,
      workload,
      runs: ['forward', 'step'],
    })),
  };
}
