import type { Failure, Precision } from '../contestant.ts';
import type { ReportHead } from '../format.ts';
import type { Machine } from '../machine.ts';
import { findLimit, type ProductReport, rateProducts } from '../products.ts';
import { type Rate, rateCalls } from '../rate.ts';
import { summarise } from '../statistics.ts';
import { usedByOthers } from '../turn.ts';
import type { GroupMeasurement } from '../video-dit/benchmark.ts';
import type { Entry, FirstStep, Timing } from '../video-dit/warm-up.ts';
import { countFlops, type Depth } from '../video-dit/workload.ts';

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
  stepFlops: number;
  interleaved: boolean;
  /** Share of all cores that other processes used in the pauses between turns. */
  usedByOthers: number;
  /** Rates of square products; the best of each precision is the limit that shares are of. */
  products: ProductReport[];
  entries: EntryReport[];
  failures: Failure[];
}

export interface EntryReport extends Pick<Entry, 'loadedBytes' | 'firstPeakBytes'>, FirstStep {
  name: string;
  label: string;
  precision: Precision;
  /** From eager tfjs' prediction: largest error over largest value. */
  difference: number;
  forward: TimingReport;
  step: TimingReport;
}

export interface TimingReport extends Timing, Rate {
  /** Eager tfjs' median over this one: above 1 is faster. Absent if it was not measured. */
  timesEager?: number;
  /** torch.compile's median, in the same precision, over this one. */
  timesTorchCompile?: number;
}

export function createReport(measured: {
  machine: Machine;
  rounds: number;
  skipped: string[];
  sizes: readonly GroupMeasurement[];
}): StepReport {
  const versions: StepReport['versions'] = {};
  for (const { entrant, version } of measured.sizes.flatMap(({ entries }) => entries)) {
    versions[entrant.contestant.runtime] = version;
  }
  return { ...measured, versions, date: new Date().toISOString(), sizes: measured.sizes.map(reportSize) };
}

function reportSize(result: GroupMeasurement): SizeReport {
  const { workload } = result.group.entrants[0]!;
  const { network, batchSize, tokens, clip } = workload;
  const flops = countFlops(workload);
  const products = rateProducts(result.products);
  const median = (name: string, run: 'forward' | 'step') => {
    const found = result.entries.find(({ entrant }) => entrant.contestant.name === name);
    return found && summarise(found[run]!.seconds).median;
  };
  const timing = (entry: Entry, run: 'forward' | 'step'): TimingReport => {
    const { precision } = entry.entrant.contestant;
    const rate = rateCalls(entry[run]!.seconds, flops[run], findLimit(products, precision));
    const eager = median('eager', run);
    const peer = median(precision === 'bf16' ? 'torch-compile-bf16' : 'torch-compile', run);
    return {
      ...entry[run]!,
      ...rate,
      timesEager: eager && eager / rate.summary.median,
      timesTorchCompile: peer && peer / rate.summary.median,
    };
  };
  return {
    tokens,
    batchSize,
    clip: [clip.numFrames, clip.height, clip.width, network.channels],
    hiddenSize: network.hiddenSize,
    numHeads: network.numHeads,
    depth: network.depth,
    forwardFlops: flops.forward,
    stepFlops: flops.step,
    interleaved: result.turns.length === 1,
    usedByOthers: usedByOthers(result.pauses),
    products,
    entries: result.entries.map((entry) => {
      const { name, label, precision } = entry.entrant.contestant;
      const { loadedBytes, firstPeakBytes, firstStep, differences } = entry;
      return {
        name,
        label,
        precision,
        difference: differences.forward!,
        ...firstStep!,
        loadedBytes,
        firstPeakBytes,
        forward: timing(entry, 'forward'),
        step: timing(entry, 'step'),
      };
    }),
    failures: result.failures,
  };
}
