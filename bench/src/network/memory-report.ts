import type { Kind } from '../attention/workload.ts';
import type { Failure } from '../contestant.ts';
import { summarise } from '../statistics.ts';
import type { GroupMeasurement } from './benchmark.ts';
import type { Checkpoint } from './groups.ts';
import type { Entry } from './warm-up.ts';
import type { Depth } from './workload.ts';

/** What a step takes of memory: in processes of their own, with all activations kept and with blocks run again. */
export interface MemoryReport {
  kind: Kind;
  tokens: number;
  depth: Depth;
  entries: MemoryEntry[];
  /** Those of blocks run again over those of all kept; absent unless both were measured. */
  ratios?: Record<'peakBytes' | 'addedBytes' | 'stepSeconds', number>;
  failures: Failure[];
}

interface MemoryEntry {
  checkpoint: Checkpoint;
  label: string;
  /** In RAM before the first step: libraries, parameters, optimizer state and batch. */
  loadedBytes: number;
  /** Highest in RAM over all steps, compilation included. */
  peakBytes: number;
  /** The difference. */
  addedBytes: number;
  /** Median. */
  stepSeconds: number;
}

export function reportMemory({ group, entries, failures }: GroupMeasurement): MemoryReport {
  const { network, tokens } = group.entrants[0]!.workload;
  const reported = entries.map(reportEntry);
  const find = (checkpoint: Checkpoint) => reported.find((entry) => entry.checkpoint === checkpoint);
  const [none, blocks] = [find('none'), find('blocks')];
  return {
    kind: network.attention.kind,
    tokens,
    depth: network.depth,
    entries: reported,
    ratios: none &&
      blocks && {
        peakBytes: blocks.peakBytes / none.peakBytes,
        addedBytes: blocks.addedBytes / none.addedBytes,
        stepSeconds: blocks.stepSeconds / none.stepSeconds,
      },
    failures,
  };
}

function reportEntry({ entrant, loadedBytes, firstPeakBytes, step }: Entry): MemoryEntry {
  const peakBytes = Math.max(firstPeakBytes, step!.peakBytes);
  return {
    checkpoint: entrant.workload.network.checkpoint ?? 'none',
    label: entrant.label,
    loadedBytes,
    peakBytes,
    addedBytes: peakBytes - loadedBytes,
    stepSeconds: summarise(step!.seconds).median,
  };
}
