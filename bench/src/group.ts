import { cpus } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Child, Reply, Request } from './child.ts';
import { describeError, type Failure } from './contestant.ts';
import type { Multiplier, ProductTiming } from './products.ts';
import type { Progress } from './session.ts';

/** Contestants that take turns in every round. */
export interface Group<Contestant, Asked extends Request, Answer extends Reply, Entry> {
  /** What is measured, for the progress line. */
  title: string;
  contestants: readonly Contestant[];
  start(contestant: Contestant): Child<Asked, Answer>;
  /** The first calls. Throws if this contestant does not compute what it should, or not what `others` did. */
  warmUp(contestant: Contestant, child: Child<Asked, Answer>, others: readonly Entry[]): Promise<Entry>;
  /** What it does when its turn comes, one after the other, and where the seconds of each call go. */
  turns(entry: Entry): { request: Asked; seconds: number[] }[];
  /** After each of its turns. */
  afterTurn?(entry: Entry, child: Child<Asked, Answer>): void;
}

/** What all groups of a benchmark have in common. */
export interface Rounds {
  rounds: number;
  /** Calls shorter than this are repeated until a turn has taken as long. */
  turnSeconds: number;
  multipliers: readonly Multiplier[];
  progress: Progress;
  /** After each round, when every entry of every result has been measured. */
  onRound(): void;
}

export interface GroupResult<Entry> {
  entries: Entry[];
  failures: Failure[];
  products: ProductTiming[];
  pauses: Pauses;
}

export const emptyResult = <Entry>(multipliers: readonly Multiplier[]): GroupResult<Entry> => ({
  entries: [],
  failures: [],
  products: multipliers.map(({ runtime, precision, size }) => ({ runtime, precision, size, seconds: [] })),
  pauses: { busyMs: 0, totalMs: 0 },
});

/**
 * Warms up the contestants of a group, then lets them and the plain products take turns. Adds to `result`, after
 * each round; a contestant that fails is reported there, and the others go on.
 */
export async function runGroup<
  Contestant extends { label: string },
  Asked extends Request,
  Answer extends Reply,
  Entry extends object,
>(
  group: Group<Contestant, Asked, Answer, Entry>,
  { rounds, turnSeconds, multipliers, progress, onRound }: Rounds,
  result: GroupResult<Entry>,
): Promise<void> {
  let running: { contestant: Contestant; entry: Entry; child: Child<Asked, Answer> }[] = [];
  const children: Child<Asked, Answer>[] = [];
  const earlier = [...result.entries];
  const drop = async ({ label }: Contestant, child: Child<Asked, Answer>, error: unknown) => {
    result.failures.push({ label, reason: describeError(error) });
    running = running.filter((other) => other.child !== child);
    await child.stop();
  };
  try {
    for (const contestant of group.contestants) {
      progress.say(`${group.title}, first calls: ${contestant.label}`);
      const child = group.start(contestant);
      children.push(child);
      try {
        const others = [...earlier, ...running.map(({ entry }) => entry)];
        running.push({ contestant, entry: await group.warmUp(contestant, child, others), child });
      } catch (error) {
        await drop(contestant, child, error);
      }
      progress.advance();
    }
    for (let round = 0; round < rounds; round++) {
      const where = `${group.title}, round ${round + 1} of ${rounds}`;
      progress.say(`${where}: plain products`);
      for (const [i, { precision, child }] of multipliers.entries()) {
        await pause(result.pauses);
        const taken = await takeTurn(child, { run: `gemm-${precision}` }, turnSeconds);
        result.products[i]!.seconds.push(...taken);
      }
      for (const { contestant, entry, child } of rotate(running, round)) {
        progress.say(`${where}: ${contestant.label}`);
        try {
          await pause(result.pauses);
          for (const { request, seconds } of group.turns(entry)) {
            seconds.push(...(await takeTurn(child, request, turnSeconds)));
          }
          group.afterTurn?.(entry, child);
        } catch (error) {
          await drop(contestant, child, error);
        }
        progress.advance();
      }
      result.entries = [...earlier, ...running.map(({ entry }) => entry)];
      onRound();
    }
  } finally {
    await Promise.all(children.map((child) => child.stop()));
  }
}

/** Everyone begins a round about equally often. */
const rotate = <T>(list: readonly T[], by: number): T[] => list.map((_, i) => list[(i + by) % list.length]!);

/** CPU time while nothing of the benchmark ran, of all cores together, in milliseconds: what others used, and all. */
export interface Pauses {
  busyMs: number;
  totalMs: number;
}

/** After it, a runtime's idle threads have stopped spinning. */
const SPIN_MS = 50;
/** Then it is measured, for so long, what others use. */
const PAUSE_MS = 100;

/** Lets the process that worked last come to rest; adds to `pauses` what others do meanwhile. */
async function pause(pauses: Pauses): Promise<void> {
  await sleep(SPIN_MS);
  const before = readCpuTimes();
  await sleep(PAUSE_MS);
  const after = readCpuTimes();
  pauses.busyMs += after.busyMs - before.busyMs;
  pauses.totalMs += after.totalMs - before.totalMs;
}

/** Calls of one kind until `turnSeconds` are over; the seconds of each. */
async function takeTurn<Asked extends Request>(
  child: Child<Asked>,
  request: Asked,
  turnSeconds: number,
): Promise<number[]> {
  const { seconds } = await child.ask({ ...request, forSeconds: turnSeconds });
  return seconds!;
}

/** Share of all cores that other processes used. */
export const usedByOthers = ({ busyMs, totalMs }: Pauses): number => busyMs / Math.max(1, totalMs);

function readCpuTimes(): Pauses {
  let busyMs = 0;
  let totalMs = 0;
  for (const { times } of cpus()) {
    const all = times.user + times.nice + times.sys + times.irq + times.idle;
    busyMs += all - times.idle;
    totalMs += all;
  }
  return { busyMs, totalMs };
}
