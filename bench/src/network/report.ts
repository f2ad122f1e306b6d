import { type ClipSize, countKept } from '@eflow/video-dit';
import type { Kind } from '../attention/workload.ts';
import type { Failure } from '../contestant.ts';
import type { ReportHead } from '../format.ts';
import type { Machine } from '../machine.ts';
import { findLimit, type ProductReport, rateProducts } from '../products.ts';
import { type Rate, rateCalls } from '../rate.ts';
import { summarise } from '../statistics.ts';
import { usedByOthers } from '../turn.ts';
import type { GroupMeasurement } from '../video-dit/benchmark.ts';
import type { Entry, FirstStep, Timing } from '../video-dit/warm-up.ts';
import { countFlops, countMiddle, RUNS, type Run } from '../video-dit/workload.ts';
import type { Size } from './groups.ts';
import { type MemoryReport, reportMemory } from './memory-report.ts';
import { type Summary, summariseNetworks } from './summary.ts';

/** All that `--json` writes. */
export interface NetworkReport extends ReportHead {
  rounds: number;
  size: Size;
  /** Tokens per side, of 'local' and 'glga'. */
  windowSize: number;
  groups: GroupReport[];
  memory?: MemoryReport;
  summary: Summary;
}

/** Networks that were measured side by side. */
export interface GroupReport {
  title: string;
  tokens: number;
  batchSize: number;
  clip: ClipSize;
  /** Labels of those that took turns with each other: one list, unless memory would not hold all. */
  turns: string[][];
  /** Share of all cores that other processes used in the pauses between turns. */
  usedByOthers: number;
  /** The best rate of plain products is the limit that shares are of. */
  products: ProductReport[];
  entries: EntryReport[];
  failures: Failure[];
}

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

export function createReport(
  measured: { machine: Machine; rounds: number; size: Size; windowSize: number; skipped: string[] },
  groups: readonly GroupMeasurement[],
  memory?: GroupMeasurement,
): NetworkReport {
  const versions: NetworkReport['versions'] = {};
  for (const { entries } of memory ? [...groups, memory] : groups) {
    for (const { entrant, version } of entries) versions[entrant.contestant.runtime] = version;
  }
  const reports = groups.map(reportGroup);
  return {
    ...measured,
    versions,
    date: new Date().toISOString(),
    groups: reports,
    memory: memory && reportMemory(memory),
    summary: summariseNetworks(reports.flatMap(({ entries }) => entries)),
  };
}

function reportGroup(result: GroupMeasurement): GroupReport {
  const { tokens, batchSize, clip } = result.group.entrants[0]!.workload;
  const products = rateProducts(result.products);
  const limit = findLimit(products, 'float32');
  return {
    title: result.group.title,
    tokens,
    batchSize,
    clip,
    turns: result.turns,
    usedByOthers: usedByOthers(result.pauses),
    products,
    entries: result.entries.map((entry) => reportEntry(entry, result.entries, limit)),
    failures: result.failures,
  };
}

function reportEntry(entry: Entry, all: readonly Entry[], limit: number | undefined): EntryReport {
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
