import { type ClipSize, countKept } from '@eflow/video-dit';
import type { Kind } from '../attention/workload.ts';
import type { Failure, Precision } from '../contestant.ts';
import { dateReport, type ReportHead } from '../format.ts';
import { usedByOthers } from '../group.ts';
import { findLimit, type ProductReport, rateProducts } from '../products.ts';
import type { Machine } from '../session.ts';
import { type Rate, rateCalls, summarise } from '../statistics.ts';
import type { GroupMeasurement } from './benchmark.ts';
import type { Checkpoint, Size } from './groups.ts';
import type { Entry, FirstStep, Timing } from './warm-up.ts';
import { countFlops, countMiddle, type Depth, RUNS, type Run } from './workload.ts';

/** All that `--json` writes. */
export interface NetworkReport extends ReportHead {
  rounds: number;
  size: Size;
  /** Tokens per side, of kinds with a window. */
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
  /** The best rate of plain products in a precision is the limit that shares are of. */
  products: ProductReport[];
  entries: EntryReport[];
  failures: Failure[];
}

export function createReport(
  measured: { machine: Machine; rounds: number; size: Size; windowSize: number; skipped: string[] },
  groups: readonly GroupMeasurement[],
  memory?: GroupMeasurement,
): NetworkReport {
  const entries = [...groups, ...(memory ? [memory] : [])].flatMap((group) => group.entries);
  const reports = groups.map(reportGroup);
  return {
    ...measured,
    ...dateReport(entries.map(({ entrant: { contestant }, version }) => ({ contestant, version }))),
    groups: reports,
    memory: memory && reportMemory(memory),
    summary: summariseNetworks(reports.flatMap((group) => group.entries)),
  };
}

function reportGroup(result: GroupMeasurement): GroupReport {
  const { tokens, batchSize, clip } = result.group.entrants[0]!.workload;
  const products = rateProducts(result.products);
  return {
    title: result.group.title,
    tokens,
    batchSize,
    clip,
    turns: result.turns,
    usedByOthers: usedByOthers(result.pauses),
    products,
    entries: result.entries.map((entry) => reportEntry(entry, result.entries, products)),
    failures: result.failures,
  };
}

/** One network in one process. */
export interface EntryReport
  extends Pick<Entry, 'differences' | 'loadedBytes' | 'firstPeakBytes'>,
    FirstStep,
    Partial<Record<Run, TimingReport>> {
  /** The contestant's. */
  name: string;
  label: string;
  precision: Precision;
  kind: Kind;
  tokens: number;
  keepRatio: number;
  /** K: those that the middle sees. */
  keptTokens: number;
  /** FLOPs of the matrix products in the definition. */
  flops: Record<Run, number>;
  /** FLOPs of a step in the middle, attention's left out. */
  middleFlops: number;
}

export interface TimingReport extends Timing, Rate {
  /** Medians of others on the same network over this one: above 1 is faster. Absent if they were not measured. */
  timesEager?: number;
  timesTorch?: number;
  /** torch.compile in the same precision. */
  timesTorchCompile?: number;
}

function reportEntry(entry: Entry, all: readonly Entry[], products: readonly ProductReport[]): EntryReport {
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

/** What a step takes of memory: in processes of their own, with all activations kept and with blocks run again. */
export interface MemoryReport {
  kind: Kind;
  tokens: number;
  depth: Depth;
  entries: MemoryEntry[];
  /** Figures of blocks run again over those of all kept; absent unless both were measured. */
  ratios?: MemoryFigures;
  failures: Failure[];
}

interface MemoryEntry extends MemoryFigures {
  checkpoint: Checkpoint;
  label: string;
  /** In RAM before the first step: libraries, parameters, optimizer state and batch. */
  loadedBytes: number;
}

export interface MemoryFigures {
  /** Highest in RAM over all steps, compilation included. */
  peakBytes: number;
  /** The difference. */
  addedBytes: number;
  /** Median. */
  stepSeconds: number;
}

function reportMemory({ group, entries, failures }: GroupMeasurement): MemoryReport {
  const { network, tokens } = group.entrants[0]!.workload;
  const reported = entries.map(reportMemoryEntry);
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

function reportMemoryEntry({ entrant, loadedBytes, firstPeakBytes, step }: Entry): MemoryEntry {
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

/** A ratio of medians at one number of tokens, of a network whose middle sees a share of them. */
export interface Ratio {
  tokens: number;
  kind: Kind;
  keepRatio: number;
  value: number;
}

/** What the measurements show of the compiled network. */
export interface Summary {
  /** Steps in a second with tokens dropped, over dense. */
  dropSpeedup: Ratio[];
  /** Time of the weak path over that of a forward pass. */
  weakShare: Ratio[];
  /** torch.compile's step over ours. */
  stepOverTorchCompile: Ratio[];
  /** Softmax's dense step over GLGA's, dense and with tokens dropped; and the same of the forward pass, which is dense. */
  backboneStep: Ratio[];
  backboneForward: Ratio[];
  /**
   * What the graph of a compiled step has fewer of matrix products with tokens dropped, over those of the dropped tokens in
   * the middle's linear layers: 1 where the middle runs on the tokens that are kept, more where attention is composed of
   * products too.
   */
  lostProducts: Ratio[];
}

function summariseNetworks(all: readonly EntryReport[]): Summary {
  const entries = all.filter(({ name }) => name === 'compiled');
  const median = (entry: EntryReport, run: 'forward' | 'weak' | 'step') => entry[run]?.summary.median;
  const findDense = (tokens: number, kind: Kind) =>
    entries.find((entry) => entry.tokens === tokens && entry.kind === kind && entry.keepRatio === 1);
  const ratios = (chosen: readonly EntryReport[], ratio: (entry: EntryReport) => number | undefined): Ratio[] =>
    chosen.flatMap((entry) => {
      const { tokens, kind, keepRatio } = entry;
      const value = ratio(entry);
      return value === undefined ? [] : [{ tokens, kind, keepRatio, value }];
    });
  const over = (a: number | undefined, b: number | undefined) => a && b && a / b;

  const dropped = entries.filter(({ keepRatio }) => keepRatio < 1);
  const dense = entries.filter(({ keepRatio }) => keepRatio === 1);
  const glga = entries.filter(({ kind }) => kind === 'glga');
  const overSoftmax = (entry: EntryReport, run: 'forward' | 'step') => {
    const softmax = findDense(entry.tokens, 'softmax');
    return softmax && over(median(softmax, run), median(entry, run));
  };
  return {
    dropSpeedup: ratios(dropped, (entry) => {
      const whole = findDense(entry.tokens, entry.kind);
      return whole && over(median(whole, 'step'), median(entry, 'step'));
    }),
    weakShare: ratios(dense, (entry) => over(median(entry, 'weak'), median(entry, 'forward'))),
    stepOverTorchCompile: ratios(entries, (entry) => entry.step?.timesTorchCompile),
    backboneStep: ratios(glga, (entry) => overSoftmax(entry, 'step')),
    backboneForward: ratios(
      glga.filter(({ keepRatio }) => keepRatio === 1),
      (entry) => overSoftmax(entry, 'forward'),
    ),
    lostProducts: ratios(dropped, (entry) => {
      const whole = findDense(entry.tokens, entry.kind);
      if (!entry.graph || !whole?.graph) return undefined;
      return (whole.graph.matmulFlops - entry.graph.matmulFlops) / (whole.middleFlops - entry.middleFlops);
    }),
  };
}
