import { cpus } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import type { GraphDescription } from '@eflow/engine';
import type { Child, Request } from './child.ts';
import { type Contestant, TOLERANCE } from './contestants.ts';

/** One contestant at one size, as measured. */
export interface Entry {
  contestant: Contestant;
  /** Of the runtime. */
  version: string;
  /** From eager tfjs' prediction: largest error over largest value. */
  difference: number;
  /** Of the first step. */
  loss: number;
  gradNorm: number;
  /** Of the compiled step. */
  graph?: GraphDescription;
  /** In RAM before the first call. */
  loadedBytes: number;
  /** Highest while the first calls ran, compilation included. */
  firstPeakBytes: number;
  forward: Timing;
  step: Timing;
}

export interface Timing {
  /** The first call: compilation and warm-up. */
  firstSeconds: number;
  /** Every later call. */
  seconds: number[];
  /** Highest in RAM after the first call, everything included. */
  peakBytes: number;
}

/** CPU time while nothing of the benchmark ran, of all cores together, in milliseconds: what others used, and all. */
export interface Pauses {
  busyMs: number;
  totalMs: number;
}

/** Shorter calls are repeated until a turn has taken this long. */
export const TURN_SECONDS = 0.5;
/** After it, a runtime's idle threads have stopped spinning. */
const SPIN_MS = 50;
/** Then it is measured, for so long, what others use. */
const PAUSE_MS = 100;

/** The first calls, and the proof that this contestant computes what the others do. Throws if it does not. */
export async function warmUp(contestant: Contestant, child: Child): Promise<Entry> {
  const { version } = await child.ask('hello');
  const loadedBytes = child.memory().residentBytes;
  const forward = await child.ask('forward');
  const forwardPeak = child.memory().peakBytes;
  child.resetPeak();
  const { difference } = await child.ask('check');
  const tolerance = TOLERANCE[contestant.precision];
  if (!(difference! <= tolerance)) {
    throw new Error(`its prediction differs from eager tfjs' by ${difference}; expected at most ${tolerance}`);
  }
  const forwardTiming = { firstSeconds: forward.seconds!, seconds: [], peakBytes: child.memory().peakBytes };
  const step = await child.ask('step');
  const firstPeakBytes = Math.max(forwardPeak, child.memory().peakBytes);
  child.resetPeak();
  return {
    contestant,
    version: version!,
    difference: difference!,
    loss: step.loss!,
    gradNorm: step.gradNorm!,
    graph: step.graph,
    loadedBytes,
    firstPeakBytes,
    forward: forwardTiming,
    step: { firstSeconds: step.seconds!, seconds: [], peakBytes: 0 },
  };
}

/** Throws unless both made the same first step, to the precision of the less precise one. */
export function checkSameStep(entry: Entry, other: Entry): void {
  const tolerance = Math.max(TOLERANCE[entry.contestant.precision], TOLERANCE[other.contestant.precision]);
  for (const value of ['loss', 'gradNorm'] as const) {
    if (Math.abs(entry[value] - other[value]) <= tolerance * Math.abs(other[value])) continue;
    throw new Error(`its first step's ${value} is ${entry[value]}, but ${other.contestant.label} has ${other[value]}`);
  }
}

/** One turn of a round: a pause, which is added to `pauses`, then calls until TURN_SECONDS are over; each call's seconds. */
export async function takeTurn(child: Child, run: Request['run'], pauses: Pauses): Promise<number[]> {
  await sleep(SPIN_MS);
  const before = readCpuTimes();
  await sleep(PAUSE_MS);
  const after = readCpuTimes();
  pauses.busyMs += after.busyMs - before.busyMs;
  pauses.totalMs += after.totalMs - before.totalMs;
  const seconds: number[] = [];
  let total = 0;
  while (total < TURN_SECONDS) {
    const reply = await child.ask(run);
    seconds.push(reply.seconds!);
    total += reply.seconds!;
  }
  return seconds;
}

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
