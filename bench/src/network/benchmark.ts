import { mkdirSync, rmSync } from 'node:fs';
import { freemem } from 'node:os';
import { join } from 'node:path';
import type { Child } from '../child.ts';
import { describeError, type Failure, type Precision, type Runtime, startContestant } from '../contestant.ts';
import { emptyResult, type GroupResult, type Rounds, runGroup } from '../group.ts';
import { withMultipliers } from '../products.ts';
import { type Progress, withWorkFolder } from '../session.ts';
import {
  type ChildSpec,
  type Contestant,
  type Entrant,
  type NetworkReply,
  type NetworkRequest,
  PROGRAMS,
} from './contestants.ts';
import { splitByMemory } from './memory.ts';
import { checkSameStep, type Entry, warmUp } from './warm-up.ts';
import type { Workload } from './workload.ts';

/** Entrants that take turns. */
export interface Group {
  /** For people. */
  title: string;
  entrants: readonly Entrant[];
}

export interface VideoDiTBenchmark {
  groups: readonly Group[];
  rounds: number;
  /** Rows and columns of the plain products. */
  productSize: number;
  /** Precisions whose rate of plain products is measured. */
  precisions: readonly Precision[];
  /** A Python with PyTorch; needed by contestants of that runtime. */
  python?: string;
}

/** What one group gave. */
export interface GroupMeasurement extends GroupResult<Entry> {
  group: Group;
  /** Labels of those that took turns with each other: one list, unless memory would not hold all. */
  turns: string[][];
}

/** Shorter calls are repeated until a turn has taken this long. */
const TURN_SECONDS = 0.5;
const EAGER = { mode: 'eager', precision: 'float32' } as const;

type Start = (
  contestant: Pick<Contestant, 'runtime' | 'mode' | 'precision'>,
  workload: Workload,
  folder: string,
) => Child<NetworkRequest, NetworkReply>;

/**
 * Runs the groups one after another. An entrant that fails is reported, and the others go on. `onRound` gets what has been
 * measured so far, of the groups that have begun.
 */
export const runVideoDiTBenchmark = (
  benchmark: VideoDiTBenchmark,
  progress: Progress,
  onRound: (results: readonly GroupMeasurement[]) => void,
): Promise<GroupMeasurement[]> =>
  withWorkFolder(async (workFolder, env) => {
    const { groups, rounds, productSize, precisions, python } = benchmark;
    const start: Start = ({ runtime, mode, precision }, workload, folder) => {
      const spec: ChildSpec = { mode, precision, workload, folder, productSize };
      return startContestant(runtime, PROGRAMS, spec, { env, python });
    };
    const entrants = groups.flatMap((group) => group.entrants);
    const products = {
      contestants: entrants.map(({ contestant }) => contestant),
      start: (runtime: Runtime) => start({ runtime, ...EAGER }, entrants[0]!.workload, workFolder),
      precisions,
      size: productSize,
    };
    const failures: Failure[] = [];
    return withMultipliers(products, failures, async (multipliers) => {
      const results: GroupMeasurement[] = [];
      const common = { rounds, turnSeconds: TURN_SECONDS, multipliers, progress, onRound: () => onRound(results) };
      for (const group of groups) {
        const result = { ...emptyResult<Entry>(multipliers), failures: [...failures], group, turns: [] };
        results.push(result);
        await measureGroup(result, common, workFolder, start);
      }
      return results;
    });
  });

/** The turns of a whole benchmark, if all of them can be taken. */
export const countTurns = ({ groups, rounds }: VideoDiTBenchmark): number =>
  groups.reduce((sum, { entrants }) => sum + listReferences(entrants).length + entrants.length * (1 + rounds), 0);

/** Workloads that something is compared with, or that PyTorch reads from a file. */
const listReferences = (entrants: readonly Entrant[]): Workload[] => [
  ...new Set(
    entrants.flatMap(({ contestant, workload, runs }) =>
      contestant.runtime === 'torch' || runs.some((run) => run !== 'step') ? [workload] : [],
    ),
  ),
];

async function measureGroup(result: GroupMeasurement, common: Rounds, workFolder: string, start: Start): Promise<void> {
  const { title, entrants } = result.group;
  const folder = join(workFolder, 'group');
  const { folders, failed } = await writeReferences(result.group, folder, common.progress, start);
  const ready = entrants.filter(({ label, workload }) => {
    const reason = failed.get(workload);
    if (reason !== undefined) result.failures.push({ label, reason });
    return reason === undefined;
  });
  for (const together of splitByMemory(ready, freemem())) {
    result.turns.push(together.map(({ label }) => label));
    await runGroup(
      {
        title,
        contestants: together,
        start: ({ contestant, workload }) => start(contestant, workload, folders.get(workload) ?? folder),
        async warmUp(entrant, child, others) {
          const entry = await warmUp(entrant, child);
          checkSameStep(entry, others);
          return entry;
        },
        turns: (entry: Entry) => entry.entrant.runs.map((run) => ({ request: { run }, seconds: entry[run]!.seconds })),
        afterTurn(entry, child) {
          if (entry.step) entry.step.peakBytes = child.memory().peakBytes;
        },
      },
      common,
      result,
    );
  }
  rmSync(folder, { recursive: true, force: true });
}

/** What to compare with, in a folder for each workload; or why there is none. */
async function writeReferences(
  { title, entrants }: Group,
  folder: string,
  progress: Progress,
  start: Start,
): Promise<{ folders: Map<Workload, string>; failed: Map<Workload, string> }> {
  const [folders, failed] = [new Map<Workload, string>(), new Map<Workload, string>()];
  for (const [i, workload] of listReferences(entrants).entries()) {
    progress.say(`${title}: parameters, batch, and the predictions to compare with`);
    folders.set(workload, join(folder, String(i)));
    mkdirSync(folders.get(workload)!, { recursive: true });
    const writer = start({ runtime: 'tensorflow', ...EAGER }, workload, folders.get(workload)!);
    try {
      await writer.ask({ run: 'reference' });
    } catch (error) {
      failed.set(workload, `nothing to compare with: ${describeError(error)}`);
    } finally {
      await writer.stop();
    }
    progress.advance();
  }
  return { folders, failed };
}
