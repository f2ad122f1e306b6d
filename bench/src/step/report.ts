import type { Failure, Precision } from '../contestant.ts';
import type { ReportHead } from '../format.ts';
import type { Machine } from '../machine.ts';
import { findLimit, type ProductReport, rateProducts } from '../products.ts';
import { type Summary, summarise } from '../statistics.ts';
import { usedByOthers } from '../turn.ts';
import type { SizeResult } from './benchmark.ts';
import { STEP_FLOPS_PER_FORWARD_FLOP } from './flops.ts';
import type { Entry, Timing } from './warm-up.ts';
import type { Depth } from './workload.ts';

/** All that `--json` writes. */
export interface StepReport extends ReportHead {
  rounds: number;
  sizes: SizeReport[];
}

export interface SizeReport {
  tokens: number;
  batchSize: number;
  /** Frames, height, width, channels. */
  clip: [number, number, number, number];
  hiddenSize: number;
  numHeads: number;
  depth: Depth;
  forwardFlops: number;
  interleaved: boolean;
  /** Share of all cores that other processes used in the pauses between turns. */
  usedByOthers: number;
  /** Rates of square products; the best of each precision is the limit that shares are of. */
  products: ProductReport[];
  entries: EntryReport[];
  failures: Failure[];
}

export interface EntryReport extends Omit<Entry, 'contestant' | 'forward' | 'step' | 'version'> {
  name: string;
  label: string;
  precision: Precision;
  forward: TimingReport;
  step: TimingReport;
}

export interface TimingReport extends Timing {
  summary: Summary;
  /** Of the model's matrix products; other work costs time and counts nothing. */
  flopsPerSecond: number;
  /** Of the best rate of plain matrix products in the same precision; absent if there is none. */
  shareOfLimit?: number;
  /** Eager tfjs' median over this one: above 1 is faster. Absent if it was not measured. */
  timesEager?: number;
  /** torch.compile's median, in the same precision, over this one. */
  timesTorchCompile?: number;
}

export function createReport(measured: {
  machine: Machine;
  rounds: number;
  skipped: string[];
  sizes: SizeResult[];
}): StepReport {
  const versions: StepReport['versions'] = {};
  for (const { contestant, version } of measured.sizes.flatMap(({ entries }) => entries)) {
    versions[contestant.runtime] = version;
  }
  return { ...measured, versions, date: new Date().toISOString(), sizes: measured.sizes.map(reportSize) };
}

function reportSize(result: SizeResult): SizeReport {
  const { network, batchSize, tokens } = result.workload;
  const products = rateProducts(result.products);
  const median = (name: string, run: 'forward' | 'step') => {
    const found = result.entries.find(({ contestant }) => contestant.name === name);
    return found && summarise(found[run].seconds).median;
  };
  const timing = ({ contestant, ...entry }: Entry, run: 'forward' | 'step'): TimingReport => {
    const summary = summarise(entry[run].seconds);
    const flops = result.forwardFlops * (run === 'step' ? STEP_FLOPS_PER_FORWARD_FLOP : 1);
    const flopsPerSecond = flops / summary.median;
    const eager = median('eager', run);
    const best = findLimit(products, contestant.precision);
    const peer = median(contestant.precision === 'bf16' ? 'torch-compile-bf16' : 'torch-compile', run);
    return {
      ...entry[run],
      summary,
      flopsPerSecond,
      shareOfLimit: best && flopsPerSecond / best,
      timesEager: eager && eager / summary.median,
      timesTorchCompile: peer && peer / summary.median,
    };
  };
  return {
    tokens,
    batchSize,
    clip: [network.numFrames, network.height, network.width, network.channels],
    hiddenSize: network.hiddenSize,
    numHeads: network.numHeads,
    depth: network.depth,
    forwardFlops: result.forwardFlops,
    interleaved: result.interleaved,
    usedByOthers: usedByOthers(result.pauses),
    products,
    entries: result.entries.map((entry) => {
      const { contestant, version: _, ...rest } = entry;
      const { name, label, precision } = contestant;
      return { name, label, precision, ...rest, forward: timing(entry, 'forward'), step: timing(entry, 'step') };
    }),
    failures: result.failures,
  };
}
