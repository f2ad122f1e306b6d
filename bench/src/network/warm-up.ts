import type { GraphDescription } from '@eflow/engine';
import type { Child } from '../child.ts';
import { type Entrant, type NetworkReply, type NetworkRequest, TOLERANCE } from './contestants.ts';
import type { Prediction, Run, Workload } from './workload.ts';

/** One entrant, as measured; with a timing for each of its runs. */
export interface Entry extends Partial<Record<Run, Timing>> {
  entrant: Entrant;
  /** The version of the runtime. */
  version: string;
  /** How far they are from eager tfjs' predictions: largest error over largest value. */
  differences: Partial<Record<Prediction, number>>;
  firstStep?: FirstStep;
  /** In RAM before the first call: libraries, parameters, optimizer state and batch. */
  loadedBytes: number;
  /** Highest while the first calls ran, compilation included. */
  firstPeakBytes: number;
}

export interface FirstStep {
  loss: number;
  gradNorm: number;
  /** The graph of the compiled step. */
  graph?: GraphDescription;
}

export interface Timing {
  /** The first call: compilation and warm-up. */
  firstSeconds: number;
  /** Every later call. */
  seconds: number[];
  /** Highest in RAM after the first call, everything included. */
  peakBytes: number;
  /** PyTorch's: which way to write attention was the fastest. */
  form?: string;
}

/** How long steps are made before any is measured. */
const SETTLE_SECONDS = 3;

/** The first calls, and the proof that the predictions are eager tfjs'. Throws if they are not. */
export async function warmUp(entrant: Entrant, child: Child<NetworkRequest, NetworkReply>): Promise<Entry> {
  const { version } = await child.ask({ run: 'hello' });
  const loadedBytes = child.memory().residentBytes;
  const entry: Entry = { entrant, version: version!, differences: {}, loadedBytes, firstPeakBytes: 0 };
  for (const run of entrant.runs) {
    const { seconds, form, loss, gradNorm, graph } = await child.ask({ run });
    entry.firstPeakBytes = Math.max(entry.firstPeakBytes, child.memory().peakBytes);
    child.resetPeak();
    if (run === 'step') {
      entry.firstStep = { loss: loss!, gradNorm: gradNorm!, graph };
      // The next few were seen to take up to half as long again as those after them.
      await child.ask({ run, forSeconds: SETTLE_SECONDS });
    } else entry.differences[run] = await check(entrant, child, run);
    entry[run] = { firstSeconds: seconds![0]!, seconds: [], peakBytes: child.memory().peakBytes, form };
  }
  return entry;
}

async function check(
  { contestant }: Entrant,
  child: Child<NetworkRequest, NetworkReply>,
  prediction: Prediction,
): Promise<number> {
  const { difference } = await child.ask({ run: `check-${prediction}` });
  const tolerance = TOLERANCE[contestant.precision];
  if (difference! <= tolerance) return difference!;
  const what = prediction === 'weak' ? "weak path's prediction" : 'prediction';
  throw new Error(`its ${what} differs from eager tfjs' by ${difference}; expected at most ${tolerance}`);
}

/** Throws unless the first step is that of the first other of the same network, to the precision of the less precise one. */
export function checkSameStep({ entrant, firstStep }: Entry, others: readonly Entry[]): void {
  const identity = identify(entrant.workload);
  const other = others.find((entry) => entry.firstStep && identify(entry.entrant.workload) === identity);
  if (!firstStep || !other) return;
  const tolerance = Math.max(TOLERANCE[entrant.contestant.precision], TOLERANCE[other.entrant.contestant.precision]);
  for (const value of ['loss', 'gradNorm'] as const) {
    const [actual, expected] = [firstStep[value], other.firstStep![value]];
    if (Math.abs(actual - expected) <= tolerance * Math.abs(expected)) continue;
    throw new Error(`its first step's ${value} is ${actual}, but ${other.entrant.label} has ${expected}`);
  }
}

/** Equal for workloads that compute the same, whatever their blocks keep for the gradient. */
const identify = ({ network, ...rest }: Workload) =>
  JSON.stringify({ ...rest, network: { ...network, checkpoint: undefined } });
