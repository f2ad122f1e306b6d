import { integer, list, namesAmong, number } from '@eflow/cli';
import { bfloat16Support } from '@eflow/engine';
import { VIDEO_DIT_PRESETS, type VideoDiTConfig, validateConfig } from '@eflow/video-dit';
import { type Command, InvalidArgumentError, Option } from 'commander';
import { KINDS, type Kind, TORCH_KINDS } from '../attention/workload.ts';
import { PRODUCT_SIZE } from '../products.ts';
import { createRecorder, flagsOf, JSON_OPTION, listOption, say, setUpContestants, startSession } from '../session.ts';
import { countTurns, type GroupMeasurement, runVideoDiTBenchmark, type VideoDiTBenchmark } from './benchmark.ts';
import { CONTESTANTS } from './contestants.ts';
import { writeFigures } from './figure.ts';
import {
  type Checkpoint,
  createGroups,
  createMemoryGroup,
  MEMORY_DEPTH,
  type Selection,
  type Size,
  WINDOW_SIZE,
} from './groups.ts';
import { createReport } from './report.ts';
import { formatReport } from './table.ts';
import { type Depth, TOKENS as KNOWN_TOKENS, NETWORK, RUNS } from './workload.ts';

export interface Flags extends Omit<Selection, 'contestants' | 'size'> {
  only: readonly string[];
  depth?: Depth;
  size?: number;
  heads?: number;
  preset?: keyof typeof VIDEO_DIT_PRESETS;
  checkpoint: readonly Checkpoint[] | false;
  rounds: number;
  quick?: true;
  json?: string | true;
  figure?: string | true;
}

const NAMES = CONTESTANTS.map(({ name }) => name);
const ONLY = ['compiled', 'torch', 'torch-compile'];
const TOKENS = [512, 2048, 4096, 8192];
const PEER_KINDS: readonly Kind[] = ['softmax', 'glga'];
const CHECKPOINTS: readonly Checkpoint[] = ['none', 'blocks'];
const DEPTH: Depth = [1, 4, 1];
const PRESETS = Object.keys(VIDEO_DIT_PRESETS);
const QUICK = { tokens: [512, 2048], attention: PEER_KINDS, rounds: 1 };
const RESULTS = 'docs/results';

/** The preset `bench step`: softmax attention alone, dense, with every contestant and without the weak path. */
const STEP: Omit<Flags, 'tokens' | 'only' | 'depth' | 'rounds'> = {
  attention: ['softmax'],
  keep: [1],
  peerAttention: ['softmax'],
  peerKeep: [1],
  checkpoint: false,
  runs: ['forward', 'step'],
};
const STEP_TOKENS = [512, 2048, 8192];
const STEP_DEPTH: Depth = [1, 2, 1];
const ABOUT_TORCH =
  'PyTorch comes from a virtual environment in the cache folder, made the first time (2.4 GB to download).';

function tokenCounts(text: string): number[] {
  const counts = list(integer(1))(text);
  const unknown = counts.find((count) => !KNOWN_TOKENS.includes(count));
  if (unknown !== undefined) throw new InvalidArgumentError(`${unknown} is not among ${KNOWN_TOKENS.join(', ')}`);
  return counts;
}

function depth(text: string): Depth {
  const parts = list(integer(1))(text);
  if (parts.length !== 3) throw new InvalidArgumentError('expected blocks of encoder, middle and decoder: 1,2,1');
  return parts as [number, number, number];
}

/** Each once, from the largest down: dense networks come first. */
function keepRatios(text: string): number[] {
  const share = number('shares of tokens to keep, in (0, 1]: 1,0.25', (ratio) => ratio > 0 && ratio <= 1);
  return [...new Set(list(share)(text))].sort((a, b) => b - a);
}

/** Adds `network` to the program; `action` gets the flags. */
export function addNetworkCommand(program: Command, action = networkBenchmark): void {
  const command = program.command('network');
  command
    .description(
      'Whole VideoDiT networks: forward pass, weak path and training step (forward, backward, clip, AdamW, EMA) against tokens and against the share of them that the middle keeps, with every attention, beside the same networks in PyTorch, in turns, and beside the rate of plain matrix products; and the memory of a step.',
    )
    .addOption(tokensOption(TOKENS))
    .addOption(listOption('--attention <list>', `attentions: ${KINDS.join(', ')}`, namesAmong(KINDS), KINDS, 'all'))
    .addOption(listOption('--keep <list>', 'shares of tokens that the middle sees', keepRatios, [1, 0.25]))
    .addOption(onlyOption(ONLY))
    .addOption(
      listOption(
        '--peer-attention <list>',
        `attentions where PyTorch takes part, which has ${TORCH_KINDS.join(', ')}`,
        namesAmong(KINDS),
        PEER_KINDS,
      ),
    )
    .addOption(listOption('--peer-keep <list>', 'shares of tokens where PyTorch takes part', keepRatios, [1]))
    .addOption(new Option('--depth <list>', `encoder, middle and decoder blocks (default: ${DEPTH})`).argParser(depth))
    .option('--size <n>', `hidden size (default: ${NETWORK.hiddenSize})`, integer(1))
    .option('--heads <n>', `heads (default: ${NETWORK.numHeads})`, integer(1))
    .addOption(
      new Option('--preset <name>', 'a network of that size and those patches, instead of --size and --heads')
        .choices(PRESETS)
        .conflicts(['size', 'heads']),
    )
    .addOption(
      listOption(
        '--checkpoint <list>',
        `memory of a step of ${MEMORY_DEPTH} blocks at the most tokens: ${CHECKPOINTS.join(', ')}`,
        namesAmong(CHECKPOINTS),
        CHECKPOINTS,
      ),
    )
    .option('--no-checkpoint', 'leave the memory out')
    .option('--rounds <n>', 'turns that each contestant takes', integer(1), 3)
    .option(
      '--quick',
      `${QUICK.rounds} round of ${QUICK.tokens.join(' and ')} tokens, ${QUICK.attention.join(' and ')}, unless others are given`,
    )
    .option(...JSON_OPTION)
    .option(
      '--figure [folder]',
      `draw the step against tokens and against tokens dropped as SVG and PNG, in ${RESULTS} unless a folder is given`,
    )
    .addHelpText(
      'after',
      `
${ABOUT_TORCH}

Examples:
  pnpm bench network --quick --only compiled
  pnpm bench network --json docs/results/network.json --figure
  pnpm bench network --tokens 4096 --keep 1,0.5,0.25,0.125 --only compiled --no-checkpoint --figure
  pnpm bench network --preset VideoDiT-S --tokens 2048 --attention glga`,
    )
    .action(() => action({ ...flagsOf<Flags>(command, QUICK), runs: RUNS }));
}

/** Adds `step`, a preset of `network`. */
export function addStepCommand(program: Command, action = networkBenchmark): void {
  program
    .command('step')
    .description(
      'One forward pass and one training step (forward, backward, clip, AdamW, EMA) of VideoDiT with softmax attention: TensorFlow.js eager and compiled, and PyTorch, in turns, beside the rate of plain matrix products. A preset of network.',
    )
    .addOption(tokensOption(STEP_TOKENS))
    .option('--rounds <n>', 'turns that each contestant takes', integer(1), 5)
    .addOption(onlyOption(NAMES, 'all'))
    .addOption(listOption('--depth <list>', 'encoder, middle and decoder blocks', depth, STEP_DEPTH))
    .option(...JSON_OPTION)
    .addHelpText(
      'after',
      `
${ABOUT_TORCH}

Examples:
  pnpm bench step --tokens 512 --rounds 3
  pnpm bench step --only compiled,torch-compile --json step.json`,
    )
    .action((flags: Flags) => action({ ...STEP, ...flags }));
}

const tokensOption = (counts: number[]) => listOption('--tokens <list>', 'tokens of a clip', tokenCounts, counts);

const onlyOption = (names: readonly string[], shown?: string) =>
  listOption('--only <list>', `contestants: ${NAMES.join(', ')}`, namesAmong(NAMES), names, shown);

/** The network that the flags ask for, without its attention. Throws if its sizes do not go together. */
export function createSize({ preset, size, heads, depth }: Pick<Flags, 'preset' | 'size' | 'heads' | 'depth'>): Size {
  const base: VideoDiTConfig = {
    ...NETWORK,
    depth: DEPTH,
    ...(preset && VIDEO_DIT_PRESETS[preset]),
    attention: { kind: 'softmax' },
  };
  const { hiddenSize, numHeads } = base;
  const network = { ...base, hiddenSize: size ?? hiddenSize, numHeads: heads ?? numHeads, depth: depth ?? base.depth };
  validateConfig(network);
  const { attention: _, ...sizes } = network;
  return sizes;
}

async function networkBenchmark(flags: Flags): Promise<void> {
  const size = createSize(flags);
  if (flags.figure !== undefined && flags.tokens.length < 2 && flags.keep.length < 2) {
    throw new Error('--figure draws against several --tokens or several shares of --keep; name more of them');
  }
  const record = createRecorder(flags.json, formatReport);
  const session = startSession();
  const { machine, skipped } = session;
  const asked = CONTESTANTS.filter(({ name }) => flags.only.includes(name));
  const chosen = machine.hasBf16 ? asked : asked.filter(({ precision }) => precision !== 'bf16');
  if (chosen.length < asked.length) session.skip(`bfloat16 is skipped: this is ${bfloat16Support('cpu').by}.`);
  const { contestants, python } = await setUpContestants(chosen, session);
  const selection: Selection = { ...flags, contestants, size };
  const groups = createGroups(selection);
  if (groups.length === 0) throw new Error('no network is left to measure; choose others with --only or --attention');
  const memory = createMemoryGroup(selection, flags.checkpoint || []);
  const benchmark: VideoDiTBenchmark = {
    groups: memory ? [...groups, memory] : groups,
    rounds: flags.rounds,
    productSize: PRODUCT_SIZE,
    precisions: contestants.some(({ precision }) => precision === 'bf16') ? ['float32', 'bf16'] : ['float32'],
    python,
  };
  const measured = { machine, rounds: flags.rounds, size, windowSize: WINDOW_SIZE, skipped };
  const reportOn = (results: readonly GroupMeasurement[]) =>
    createReport(measured, results.slice(0, groups.length), results[groups.length]);
  const report = await record(countTurns(benchmark), async (progress, keep) =>
    reportOn(await runVideoDiTBenchmark(benchmark, progress, (results) => keep(reportOn(results)))),
  );
  if (flags.figure !== undefined) {
    for (const path of writeFigures(report, flags.figure === true ? RESULTS : flags.figure)) say(path);
  }
}
