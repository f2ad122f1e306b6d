import { integer, list, namesAmong } from '@eflow/cli';
import type { Command } from 'commander';
import { PRODUCT_SIZE } from '../products.ts';
import { createRecorder, flagsOf, JSON_OPTION, listOption, say, setUpContestants, startSession } from '../session.ts';
import { type AttentionBenchmark, type AttentionResult, countTurns, runAttentionBenchmark } from './benchmark.ts';
import { CONTESTANTS } from './contestants.ts';
import { writeFigure } from './figure.ts';
import { createReport } from './report.ts';
import { formatReport } from './table.ts';
import { KINDS, type Kind } from './workload.ts';

export interface Flags {
  tokens: number[];
  kinds: readonly Kind[];
  only: readonly string[];
  rounds: number;
  batch: number;
  heads: number;
  headDim: number;
  window: number;
  quick?: true;
  json?: string | true;
  figure?: string | true;
}

const HEADLINE = 'headline';
const NAMES = [...CONTESTANTS.map(({ name }) => name), HEADLINE];
const TOKENS = [1024, 2048, 4096, 8192, 16384];
const QUICK = { tokens: [1024, 4096], rounds: 1 };
const RESULTS = 'docs/results';

/** Adds `attention` to the program; `action` gets the flags. */
export function addAttentionCommand(program: Command, action = attentionBenchmark): void {
  const command = program.command('attention');
  command
    .description(
      'Latency and memory of the attention kernels against tokens, forward and forward + backward, dense and with 75 % of the tokens dropped: native and composed beside PyTorch in turns, then all kinds in turns, beside the rate of plain matrix products.',
    )
    .addOption(listOption('--tokens <list>', 'lengths, before tokens are dropped', list(integer(1)), TOKENS))
    .addOption(listOption('--kinds <list>', `kinds: ${KINDS.join(', ')}`, namesAmong(KINDS), KINDS, 'all'))
    .addOption(
      listOption(
        '--only <list>',
        `what to measure: ${NAMES.join(', ')} (all kinds side by side)`,
        namesAmong(NAMES),
        NAMES,
        'all',
      ),
    )
    .option('--rounds <n>', 'turns that each contestant takes', integer(1), 3)
    .option('--batch <n>', 'batch size', integer(1), 1)
    .option('--heads <n>', 'heads', integer(1), 4)
    .option('--head-dim <n>', 'size of a head', integer(1), 64)
    .option('--window <n>', 'tokens per side that local attention sees', integer(1), 64)
    .option('--quick', `${QUICK.rounds} round of ${QUICK.tokens.join(' and ')} tokens, unless others are given`)
    .option(...JSON_OPTION)
    .option('--figure [folder]', `draw latency against tokens as SVG and PNG, in ${RESULTS} unless a folder is given`)
    .addHelpText(
      'after',
      `
PyTorch comes from a virtual environment in the cache folder, made the first time (2.4 GB to download).

Examples:
  pnpm bench attention --quick --kinds glga,softmax
  pnpm bench attention --json docs/results/attention.json --figure
  pnpm bench attention --only headline --figure`,
    )
    .action(() => action(flagsOf<Flags>(command, QUICK)));
}

async function attentionBenchmark(flags: Flags): Promise<void> {
  const headline = flags.only.includes(HEADLINE);
  if (flags.figure !== undefined && !headline) {
    throw new Error(`--figure draws what '${HEADLINE}' measures; add it to --only`);
  }
  const record = createRecorder(flags.json, formatReport);
  const session = startSession();
  const { machine, skipped } = session;
  const chosen = CONTESTANTS.filter(({ name }) => flags.only.includes(name));
  const { contestants, python } = await setUpContestants(chosen, session);
  if (contestants.length === 0 && !headline)
    throw new Error('no contestant is left to measure; choose others with --only');

  const { kinds, tokens, rounds } = flags;
  const shape = { batchSize: flags.batch, numHeads: flags.heads, headDim: flags.headDim, windowSize: flags.window };
  const benchmark: AttentionBenchmark = {
    kinds,
    contestants,
    headline,
    tokens,
    shape,
    rounds,
    productSize: PRODUCT_SIZE,
    python,
  };
  const reportOn = (result: AttentionResult) => createReport({ machine, rounds, shape, tokens, skipped }, result);
  const report = await record(countTurns(benchmark), async (progress, keep) =>
    reportOn(await runAttentionBenchmark(benchmark, progress, (result) => keep(reportOn(result)))),
  );
  if (flags.figure !== undefined) {
    for (const path of writeFigure(report, flags.figure === true ? RESULTS : flags.figure)) say(path);
  }
}
