import { freemem } from 'node:os';
import { startChild } from '../child.ts';
import { childCommand, describeError, type Failure, type Runtime } from '../contestant.ts';
import { emptyResult, type Group, type GroupResult, type Rounds, runGroup } from '../group.ts';
import { warmUpMultipliers } from '../products.ts';
import type { Progress } from '../progress.ts';
import { withWorkFolder } from '../work-folder.ts';
import {
  type AttentionReply,
  type AttentionRequest,
  type ChildSpec,
  type Contestant,
  contestantsFor,
  environmentOf,
  NATIVE,
  PROGRAMS,
  REFERENCE,
} from './contestants.ts';
import { type Entry, warmUp } from './warm-up.ts';
import { type Kind, kernelLengths, RUNS, type Shape } from './workload.ts';

export interface AttentionBenchmark {
  kinds: readonly Kind[];
  /** Measured side by side, kind by kind; may be empty. */
  contestants: readonly Contestant[];
  /** Whether all kinds, as users get them, are measured side by side besides. */
  headline: boolean;
  /** Before any are dropped. */
  tokens: readonly number[];
  shape: Shape;
  rounds: number;
  /** Rows and columns of the plain products. */
  productSize: number;
  /** A Python with PyTorch; needed by contestants of that runtime. */
  python?: string;
}

/** One kind at one length. */
export interface Comparison extends GroupResult<Entry> {
  kind: Kind;
  length: number;
  /** All contestants took turns; otherwise one was measured after the other, since memory would not hold all. */
  interleaved: boolean;
}

export interface AttentionResult {
  comparisons: Comparison[];
  headline?: GroupResult<Entry>;
  /** Of no group. */
  failures: Failure[];
}

/** Shorter calls are repeated until a turn has taken this long. */
const TURN_SECONDS = 0.2;
/** RAM of a process that waits. */
const IDLE_BYTES = 0.6e9;

type Start = (contestant: Contestant, kind: Kind) => ReturnType<typeof startChild<AttentionRequest, AttentionReply>>;

/** The lengths of each kind that there is a reference for, with the most that it took of memory. */
type References = ReadonlyMap<Kind, ReadonlyMap<number, { workingBytes: number }>>;

/**
 * Measures each kind at each length, contestants in turns, then all kinds in turns. A contestant that fails is reported,
 * and the others go on. `onRound` gets what has been measured so far.
 */
export const runAttentionBenchmark = (
  benchmark: AttentionBenchmark,
  progress: Progress,
  onRound: (result: AttentionResult) => void,
): Promise<AttentionResult> =>
  withWorkFolder(async (folder, env) => {
    const { shape, productSize, contestants, kinds, rounds, python } = benchmark;
    const start: Start = (contestant, kind) => {
      const { runtime, mode, native } = contestant;
      const spec: ChildSpec = { mode, native, kind, shape, folder, productSize };
      return startChild(childCommand(runtime, PROGRAMS, spec, python), { ...env, ...environmentOf(contestant) });
    };
    const result: AttentionResult = { comparisons: [], failures: [] };
    const { failures } = result;
    const references = await writeReferences(benchmark, start, progress, failures);
    const multipliers = new Map<Runtime, ReturnType<Start>>();
    for (const contestant of [REFERENCE, ...contestants]) {
      if (!multipliers.has(contestant.runtime)) {
        multipliers.set(contestant.runtime, start({ ...contestant, mode: 'eager' }, 'softmax'));
      }
    }
    try {
      const common: Rounds = {
        rounds,
        turnSeconds: TURN_SECONDS,
        multipliers: await warmUpMultipliers(multipliers, ['float32'], productSize, failures),
        progress,
        onRound: () => onRound(result),
      };
      for (const kind of kinds) {
        if (contestantsFor(kind, contestants).length === 0) continue;
        for (const [length, { workingBytes }] of references.get(kind)!) {
          await compare(benchmark, kind, length, workingBytes, common, start, result.comparisons);
        }
      }
      if (benchmark.headline) {
        result.headline = emptyResult<Entry>(common.multipliers);
        await runHeadline(references, common, start, result.headline);
      }
      return result;
    } finally {
      await Promise.all([...multipliers.values()].map((child) => child.stop()));
    }
  });

/** The turns of a whole benchmark, if all of them can be taken. */
export function countTurns({ kinds, contestants, headline, tokens, rounds }: AttentionBenchmark): number {
  const lengths = kernelLengths(tokens).length;
  const processes = kinds.map((kind) => contestantsFor(kind, contestants).length * lengths + (headline ? 1 : 0));
  return processes.reduce((sum, count) => sum + 1 + count * (1 + rounds), 0);
}

/** Inputs and results of every kind and length, eager and composed; where that fails nothing else is measured. */
async function writeReferences(
  { kinds, tokens }: AttentionBenchmark,
  start: Start,
  progress: Progress,
  failures: Failure[],
): Promise<References> {
  const references = new Map<Kind, Map<number, { workingBytes: number }>>();
  for (const kind of kinds) {
    const written = new Map<number, { workingBytes: number }>();
    references.set(kind, written);
    const lengths = kernelLengths(tokens);
    const child = start(REFERENCE, kind);
    try {
      await child.ask({ run: 'hello' });
      for (const length of lengths) {
        progress.say(`${kind}, ${length} tokens: what to compare with`);
        child.resetPeak();
        const { residentBytes } = child.memory();
        await child.ask({ run: 'reference', length });
        written.set(length, { workingBytes: child.memory().peakBytes - residentBytes });
      }
    } catch (error) {
      const missing = lengths.filter((length) => !written.has(length));
      failures.push({ label: `${kind} at ${missing.join(', ')} tokens`, reason: describeError(error) });
    } finally {
      await child.stop();
    }
    progress.advance();
  }
  return references;
}

/** Adds one kind at one length to the comparisons. */
async function compare(
  { contestants }: AttentionBenchmark,
  kind: Kind,
  length: number,
  workingBytes: number,
  common: Rounds,
  start: Start,
  comparisons: Comparison[],
): Promise<void> {
  const chosen = contestantsFor(kind, contestants);
  const interleaved = IDLE_BYTES * chosen.length + workingBytes < freemem();
  const result: Comparison = { ...emptyResult<Entry>(common.multipliers), kind, length, interleaved };
  comparisons.push(result);
  for (const group of interleaved ? [chosen] : chosen.map((contestant) => [contestant])) {
    await runGroup(
      {
        title: `${kind}, ${length} tokens`,
        contestants: group,
        start: (contestant) => start(contestant, kind),
        warmUp: (contestant, child) => warmUp(contestant, { kind, lengths: [length] }, child),
        turns: listTurns,
      },
      common,
      result,
    );
  }
}

/** One process for each kind, which runs all lengths in its turn, so that lengths are compared in the same minutes too. */
async function runHeadline(
  references: References,
  common: Rounds,
  start: Start,
  result: GroupResult<Entry>,
): Promise<void> {
  await runGroup(
    {
      title: 'all kinds',
      contestants: [...references].map(([kind, written]) => ({
        ...NATIVE,
        label: kind,
        kind,
        lengths: [...written.keys()],
      })),
      start: (contestant) => start(contestant, contestant.kind),
      warmUp: (contestant, child) => warmUp(contestant, contestant, child),
      turns: listTurns,
    },
    common,
    result,
  );
}

const listTurns: Group<Contestant, AttentionRequest, AttentionReply, Entry>['turns'] = ({ cells }) =>
  cells.flatMap((cell) => RUNS.map((run) => ({ request: { run, length: cell.length }, seconds: cell[run].seconds })));
