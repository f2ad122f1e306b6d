import type { GraphDescription } from '@eflow/engine';
import type { Child } from '../child.ts';
import { type Contestant, type StepReply, type StepRequest, TOLERANCE } from './contestants.ts';

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

/** The first calls, and the proof that this contestant computes what the others do. Throws if it does not. */
export async function warmUp(contestant: Contestant, child: Child<StepRequest, StepReply>): Promise<Entry> {
  const { version } = await child.ask({ run: 'hello' });
  const loadedBytes = child.memory().residentBytes;
  const forward = await child.ask({ run: 'forward' });
  const forwardPeak = child.memory().peakBytes;
  child.resetPeak();
  const { difference } = await child.ask({ run: 'check' });
  const tolerance = TOLERANCE[contestant.precision];
  if (!(difference! <= tolerance)) {
    throw new Error(`its prediction differs from eager tfjs' by ${difference}; expected at most ${tolerance}`);
  }
  const forwardTiming = { firstSeconds: forward.seconds![0]!, seconds: [], peakBytes: child.memory().peakBytes };
  const step = await child.ask({ run: 'step' });
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
    step: { firstSeconds: step.seconds![0]!, seconds: [], peakBytes: 0 },
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
