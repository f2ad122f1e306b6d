import { freemem } from 'node:os';
import type { Child } from '../child.ts';
import { describeError, type Failure, type Runtime, startContestant } from '../contestant.ts';
import { emptyResult, type GroupResult, runGroup } from '../group.ts';
import { withMultipliers } from '../products.ts';
import { type Progress, withWorkFolder } from '../session.ts';
import {
  type AttentionReply,
  type AttentionRequest,
  type ChildSpec,
  type Contestant,
  contestantsFor,
  type Entrant,
  NATIVE,
  PROGRAMS,
  REFERENCE,
  TOLERANCE,
} from './contestants.ts';
import { type Kind, kernelLengths, RUNS, type Run, type Shape } from './workload.ts';

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
  /** What failed outside of all groups. */
  failures: Failure[];
}

/** Shorter calls are repeated until a turn has taken this long. */
const TURN_SECONDS = 0.2;
/** RAM of a process that waits. */
const IDLE_BYTES = 0.6e9;

type Start = (contestant: Contestant, kind: Kind) => Child<AttentionRequest, AttentionReply>;

/** The lengths of each kind that there is a reference for, with the bytes that it took of memory at most. */
type References = ReadonlyMap<Kind, ReadonlyMap<number, number>>;

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
    const { shape, productSize, contestants, kinds, headline, rounds, python } = benchmark;
    const start: Start = ({ runtime, mode, native }, kind) => {
      const spec: ChildSpec = { mode, native, kind, shape, folder, productSize };
      // The environment chooses between tfjs' native and composed forms.
      return startContestant(runtime, PROGRAMS, spec, {
        env: { ...env, EFLOW_NATIVE: native ? undefined : '0' },
        python,
      });
    };
    const result: AttentionResult = { comparisons: [], failures: [] };
    const references = await writeReferences(benchmark, start, progress, result.failures);
    const products = {
      contestants,
      start: (runtime: Runtime) => start({ ...REFERENCE, runtime }, 'softmax'),
      precisions: ['float32'] as const,
      size: productSize,
    };
    return withMultipliers(products, result.failures, async (multipliers) => {
      const common = { rounds, turnSeconds: TURN_SECONDS, multipliers, progress, onRound: () => onRound(result) };
      const measure = (title: string, entrants: readonly Entrant[], into: GroupResult<Entry>) =>
        runGroup(
          { title, contestants: entrants, start: (entrant) => start(entrant, entrant.kind), warmUp, turns: listTurns },
          common,
          into,
        );
      for (const kind of kinds) {
        const chosen = contestantsFor(kind, contestants);
        if (chosen.length === 0) continue;
        for (const [length, workingBytes] of references.get(kind)!) {
          const interleaved = IDLE_BYTES * chosen.length + workingBytes < freemem();
          const comparison: Comparison = { ...emptyResult<Entry>(multipliers), kind, length, interleaved };
          result.comparisons.push(comparison);
          const entrants = chosen.map((contestant) => ({ ...contestant, kind, lengths: [length] }));
          for (const group of interleaved ? [entrants] : entrants.map((entrant) => [entrant])) {
            await measure(`${kind}, ${length} tokens`, group, comparison);
          }
        }
      }
      if (headline) {
        // A process for each kind runs all lengths in its turn, so that lengths are compared in the same minutes too.
        result.headline = emptyResult<Entry>(multipliers);
        const entrants = [...references].map(([kind, written]) => ({
          ...NATIVE,
          label: kind,
          kind,
          lengths: [...written.keys()],
        }));
        await measure('all kinds', entrants, result.headline);
      }
      return result;
    });
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
  const references = new Map<Kind, Map<number, number>>();
  for (const kind of kinds) {
    const written = new Map<number, number>();
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
        written.set(length, child.memory().peakBytes - residentBytes);
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

const listTurns = ({ cells }: Entry) =>
  cells.flatMap((cell) => RUNS.map((run) => ({ request: { run, length: cell.length }, seconds: cell[run].seconds })));

/** One kind in one process, as measured. */
export interface Entry {
  contestant: Contestant;
  kind: Kind;
  /** The version of the runtime. */
  version: string;
  cells: Cell[];
}

/** At one length. */
export interface Cell extends Record<Run, Timing> {
  length: number;
  /** C++ kernels ran. */
  native: boolean;
  /** How far it is from the reference: largest error over largest value. */
  difference: Record<Run, number>;
}

export interface Timing {
  /** The first call, with compilation. */
  firstSeconds: number;
  /** Every later call. */
  seconds: number[];
  /** In RAM, at the highest, over what stays loaded. */
  addedBytes: number;
  /** PyTorch's: which way to write it was the fastest. */
  form?: string;
}

/** The first calls at each length, and the proof that they compute what the reference does: throws if they do not. */
async function warmUp(entrant: Entrant, child: Child<AttentionRequest, AttentionReply>): Promise<Entry> {
  const { version } = await child.ask({ run: 'hello' });
  const cells: Cell[] = [];
  for (const length of entrant.lengths) {
    await child.ask({ run: 'load', length });
    const loadedBytes = child.memory().residentBytes;
    const firstCall = async (run: Run): Promise<Timing> => {
      const { seconds, form } = await child.ask({ run: `first-${run}`, length });
      // torch.compile's compiler stays in memory, and PyTorch can give back what it has freed; TensorFlow.js cannot.
      const base = entrant.runtime === 'torch' ? child.memory().residentBytes : loadedBytes;
      child.resetPeak();
      await child.ask({ run, length });
      const addedBytes = Math.max(0, child.memory().peakBytes - base);
      return { firstSeconds: seconds![0]!, seconds: [], addedBytes, form };
    };
    const forward = await firstCall('forward');
    const gradient = await firstCall('gradient');
    const { difference, native } = await child.ask({ run: 'check', length });
    for (const [run, value] of Object.entries(difference!)) {
      if (value <= TOLERANCE) continue;
      const what = run === 'forward' ? 'output' : 'output or a gradient';
      throw new Error(`at ${length} tokens its ${what} differs from the reference by ${value}; expected ${TOLERANCE}`);
    }
    cells.push({ length, native: native ?? false, difference: difference!, forward, gradient });
  }
  return { contestant: entrant, kind: entrant.kind, version: version!, cells };
}
