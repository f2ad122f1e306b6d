import { countKept } from '@eflow/video-dit';
import type { Kind } from '../attention/workload.ts';
import type { Precision } from '../contestant.ts';
import { findLimit, type ProductReport } from '../products.ts';
import { type Rate, rateCalls, summarise } from '../statistics.ts';
import type { Entry, FirstStep, Timing } from './warm-up.ts';
import { countFlops, countMiddle, RUNS, type Run } from './workload.ts';

/** One network in one process. */
export interface EntryReport
  extends Pick<Entry, 'differences' | 'loadedBytes' | 'firstPeakBytes'>,
    FirstStep,
    Partial<Record<Run, TimingReport>> {
  /** Of the contestant. */
  name: string;
  label: string;
  precision: Precision;
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
  /** Medians of others on the same network over this one: above 1 is faster. Absent if they were not measured. */
  timesEager?: number;
  timesTorch?: number;
  /** In the same precision. */
  timesTorchCompile?: number;
}

export function reportEntry(entry: Entry, all: readonly Entry[], products: readonly ProductReport[]): EntryReport {
  const { entrant, differences, loadedBytes, firstPeakBytes, firstStep } = entry;
  const { label, contestant, workload } = entrant;
  const { tokens, keepRatio, network } = workload;
  const { precision } = contestant;
  const flops = countFlops(workload);
  const timesPeer = (name: string, run: Run, median: number) => {
    const peer = all.find((other) => other.entrant.contestant.name === name && other.entrant.workload === workload);
    return peer?.[run] && summarise(peer[run].seconds).median / median;
  };
  const timings = RUNS.flatMap((run): [Run, TimingReport][] => {
    const timing = entry[run];
    if (!timing) return [];
    const rate = rateCalls(timing.seconds, flops[run], findLimit(products, precision));
    const times = (name: string) => timesPeer(name, run, rate.summary.median);
    const timesTorchCompile = times(precision === 'bf16' ? 'torch-compile-bf16' : 'torch-compile');
    return [[run, { ...timing, ...rate, timesEager: times('eager'), timesTorch: times('torch'), timesTorchCompile }]];
  });
  return {
    name: contestant.name,
    label,
    precision,
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
