import type { Child } from '../child.ts';
import { type AttentionReply, type AttentionRequest, type Contestant, TOLERANCE } from './contestants.ts';
import type { Kind, Run } from './workload.ts';

/** One kind in one process, as measured. */
export interface Entry {
  contestant: Contestant;
  kind: Kind;
  /** Of the runtime. */
  version: string;
  cells: Cell[];
}

/** At one length. */
export interface Cell extends Record<Run, Timing> {
  length: number;
  /** C++ kernels ran. */
  native: boolean;
  /** From the reference: largest error over largest value. */
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

type AttentionChild = Child<AttentionRequest, AttentionReply>;

/** The first calls at each length, and the proof that they compute what the reference does: throws if they do not. */
export async function warmUp(
  contestant: Contestant,
  { kind, lengths }: { kind: Kind; lengths: readonly number[] },
  child: AttentionChild,
): Promise<Entry> {
  const { version } = await child.ask({ run: 'hello' });
  const cells: Cell[] = [];
  for (const length of lengths) {
    await child.ask({ run: 'load', length });
    const loadedBytes = child.memory().residentBytes;
    const firstCall = async (run: Run): Promise<Timing> => {
      const { seconds, form } = await child.ask({ run: `first-${run}`, length });
      // torch.compile's compiler stays in memory, and PyTorch can give back what it has freed; TensorFlow.js cannot.
      const base = contestant.runtime === 'torch' ? child.memory().residentBytes : loadedBytes;
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
  return { contestant, kind, version: version!, cells };
}
