import type { Failure } from '../contestant.ts';
import type { ReportHead } from '../format.ts';
import type { Machine } from '../machine.ts';
import { findLimit, type ProductReport, rateProducts } from '../products.ts';
import { summarise } from '../statistics.ts';
import { usedByOthers } from '../turn.ts';
import type { AttentionResult, Comparison } from './benchmark.ts';
import { countFlops } from './flops.ts';
import { createHeadline, type HeadlineReport } from './headline.ts';
import { reportTiming, type TimingReport } from './timing.ts';
import type { Cell, Entry } from './warm-up.ts';
import { countBytes, countScoreBytes, type Kind, type Run, type Shape } from './workload.ts';

/** All that `--json` writes. */
export interface AttentionReport extends ReportHead {
  rounds: number;
  shape: Shape;
  /** Before any are dropped. */
  tokens: readonly number[];
  comparisons: ComparisonReport[];
  headline?: HeadlineReport;
  failures: Failure[];
}

/** One kind at one length, everyone side by side. */
export interface ComparisonReport {
  kind: Kind;
  /** Tokens that the kernel sees. */
  length: number;
  interleaved: boolean;
  /** Share of all cores that other processes used in the pauses between turns. */
  usedByOthers: number;
  /** The best rate of plain products is the limit that shares are of. */
  products: ProductReport[];
  /** All scores [B, N, L, L]. */
  scoreBytes: number;
  /** Of the matrix products in the definition. */
  flops: Record<Run, number>;
  /** Inputs and outputs. */
  bytes: Record<Run, number>;
  /** The name of PyTorch's fastest; absent if none was measured. */
  peer?: Record<Run, string>;
  entries: EntryReport[];
  failures: Failure[];
}

export interface EntryReport extends Omit<Cell, Run | 'length'>, Record<Run, TimingReport> {
  name: string;
  label: string;
}

export function createReport(
  measured: { machine: Machine; rounds: number; shape: Shape; tokens: readonly number[]; skipped: string[] },
  { comparisons, headline, failures }: AttentionResult,
): AttentionReport {
  const versions: AttentionReport['versions'] = {};
  for (const { entries } of headline ? [...comparisons, headline] : comparisons) {
    for (const { contestant, version } of entries) versions[contestant.runtime] = version;
  }
  const { shape, tokens } = measured;
  return {
    ...measured,
    versions,
    date: new Date().toISOString(),
    comparisons: comparisons.map((comparison) => reportComparison(comparison, shape)),
    headline: headline && createHeadline(headline, tokens, shape),
    failures,
  };
}

function reportComparison(comparison: Comparison, shape: Shape): ComparisonReport {
  const { kind, length, interleaved, pauses, entries, failures } = comparison;
  const products = rateProducts(comparison.products);
  const limit = findLimit(products, 'float32');
  const peers = entries.filter(({ contestant }) => contestant.runtime === 'torch');
  const medianOf = ({ cells }: Entry, run: Run) => summarise(cells[0]![run].seconds).median;
  const fastest = (run: Run) =>
    peers.reduce((best, entry) => (medianOf(entry, run) < medianOf(best, run) ? entry : best));
  const peer = peers.length === 0 ? undefined : { forward: fastest('forward'), gradient: fastest('gradient') };
  const both = (count: (run: Run) => number) => ({ forward: count('forward'), gradient: count('gradient') });
  const flops = both((run) => countFlops(kind, run, length, shape));
  return {
    kind,
    length,
    interleaved,
    usedByOthers: usedByOthers(pauses),
    products,
    scoreBytes: countScoreBytes(length, shape),
    flops,
    bytes: both((run) => countBytes(kind, run, length, shape)),
    peer: peer && { forward: peer.forward.contestant.name, gradient: peer.gradient.contestant.name },
    entries: entries.map((entry) => {
      const { name, label } = entry.contestant;
      const { native, difference, forward, gradient } = entry.cells[0]!;
      const timing = (run: Run) => ({
        ...reportTiming({ forward, gradient }[run], flops[run], limit),
        timesPeer: peer && medianOf(peer[run], run) / medianOf(entry, run),
      });
      return { name, label, native, difference, forward: timing('forward'), gradient: timing('gradient') };
    }),
    failures,
  };
}
