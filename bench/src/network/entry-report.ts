import { countKept } from '@eflow/video-dit';
import type { Kind } from '../attention/workload.ts';
import { type Rate, rateCalls } from '../rate.ts';
import { summarise } from '../statistics.ts';
import type { Entry, FirstStep, Timing } from '../video-dit/warm-up.ts';
import { countFlops, countMiddle, RUNS, type Run } from '../video-dit/workload.ts';

/** One network in one process. */
export interface EntryReport
  extends Pick<Entry, 'differences' | 'loadedBytes' | 'firstPeakBytes'>,
    FirstStep,
    Partial<Record<Run, TimingReport>> {
  /** Of the contestant. */
  name: string;
  label: string;
  kind: Kind;
  tokens: number;
  keepRatio: number;
  /** K: those that the middle sees. */
  keptTokens: number;
  /** Of the matrix products in the definition. */
  flops: Record<Run, number>;
  /** Of a step, those in the middle, attention's left out. */
  middleFlops: number;
}

export interface TimingReport extends Timing, Rate {
  /** PyTorch's median on the same network over this one: above 1 is faster. Absent if it was not measured. */
  timesTorch?: number;
  timesTorchCompile?: number;
}

export function reportEntry(entry: Entry, all: readonly Entry[], limit: number | undefined): EntryReport {
  const { entrant, differences, loadedBytes, firstPeakBytes, firstStep } = entry;
  const { label, contestant, workload } = entrant;
  const { tokens, keepRatio, network } = workload;
  const flops = countFlops(workload);
  const timesPeer = (name: string, run: Run, median: number) => {
    const peer = all.find((other) => other.entrant.contestant.name === name && other.entrant.workload === workload);
    return peer?.[run] && summarise(peer[run].seconds).median / median;
  };
  const timings = RUNS.flatMap((run): [Run, TimingReport][] => {
    const timing = entry[run];
    if (!timing) return [];
    const rate = rateCalls(timing.seconds, flops[run], limit);
    const times = (name: string) => timesPeer(name, run, rate.summary.median);
    return [[run, { ...timing, ...rate, timesTorch: times('torch'), timesTorchCompile: times('torch-compile') }]];
  });
  return {
    name: contestant.name,
    label,
    kind: network.attention.kind,
    tokens,
    keepRatio,
    keptTokens: countKept(tokens, keepRatio),
    flops,
    middleFlops: countMiddle(workload),
    differences,
    ...firstStep!,
    loadedBytes,
    firstPeakBytes,
    ...Object.fromEntries(timings),
  };
}
