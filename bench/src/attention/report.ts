import type { Failure } from '../contestant.ts';
import { dateReport, type ReportHead } from '../format.ts';
import { type GroupResult, usedByOthers } from '../group.ts';
import { findLimit, type ProductReport, rateProducts } from '../products.ts';
import type { Machine } from '../session.ts';
import { type Rate, rateCalls, summarise } from '../statistics.ts';
import type { AttentionResult, Cell, Comparison, Entry, Timing } from './benchmark.ts';
import {
  countBytes,
  countFlops,
  countScoreBytes,
  KEEP_RATIO,
  type Kind,
  keptTokens,
  type Run,
  type Shape,
} from './workload.ts';

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
  /** FLOPs of the matrix products in the definition. */
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
  const { shape, tokens } = measured;
  return {
    ...measured,
    ...dateReport([...comparisons, ...(headline ? [headline] : [])].flatMap(({ entries }) => entries)),
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

/** All kinds side by side, as users get them, at every length. */
export interface HeadlineReport {
  usedByOthers: number;
  products: ProductReport[];
  keepRatio: number;
  curves: Curve[];
  checks: Record<Run, Checks>;
  failures: Failure[];
}

/** A kind, dense or with tokens dropped, from the fewest tokens to the most. */
export interface Curve {
  kind: Kind;
  dropped: boolean;
  points: Point[];
}

interface Point extends Record<Run, Omit<TimingReport, 'addedBytes'>> {
  /** Before any are dropped. */
  tokens: number;
  /** C++ kernels ran. */
  native: boolean;
}

export interface Checks {
  /** Between the fewest and the most tokens, d log(seconds) / d log(tokens), of dense kinds. */
  slopes: Partial<Record<Kind, number>>;
  /** Softmax's median over GLGA's, both dense. */
  softmaxOverGlga: { tokens: number; ratio: number }[];
  /** GLGA with tokens dropped beside the fastest dense kind. */
  lowest: { tokens: number; isLowest: boolean; seconds: number; other: Kind; otherSeconds: number }[];
}

function createHeadline(result: GroupResult<Entry>, tokens: readonly number[], shape: Shape): HeadlineReport {
  const products = rateProducts(result.products);
  const limit = findLimit(products, 'float32');
  const counts = [...new Set(tokens)].sort((a, b) => a - b);
  const curve = ({ kind, cells }: Entry, dropped: boolean): Curve => {
    const points = counts.flatMap((count) => {
      const cell = cells.find(({ length }) => length === (dropped ? keptTokens(count) : count));
      if (!cell) return [];
      const timing = (run: Run) => {
        // Memory tells little of many lengths in one process: what an earlier one left there is used again.
        const { addedBytes: _, ...rest } = reportTiming(cell[run], countFlops(kind, run, cell.length, shape), limit);
        return rest;
      };
      return [{ tokens: count, native: cell.native, forward: timing('forward'), gradient: timing('gradient') }];
    });
    return { kind, dropped, points };
  };
  const curves = [false, true].flatMap((dropped) => result.entries.map((entry) => curve(entry, dropped)));
  return {
    usedByOthers: usedByOthers(result.pauses),
    products,
    keepRatio: KEEP_RATIO,
    curves,
    checks: { forward: check(curves, 'forward'), gradient: check(curves, 'gradient') },
    failures: result.failures,
  };
}

function check(curves: readonly Curve[], run: Run): Checks {
  const dense = curves.filter(({ dropped }) => !dropped);
  const pointsOf = (kind: Kind, dropped: boolean) =>
    curves.find((curve) => curve.kind === kind && curve.dropped === dropped)?.points ?? [];
  const secondsAt = (points: readonly Point[], tokens: number) =>
    points.find((point) => point.tokens === tokens)?.[run].summary.median;

  const slopes = dense.flatMap(({ kind, points }) => {
    const [first, last] = [points[0], points.at(-1)];
    if (!first || !last || first === last) return [];
    const rise = Math.log(last[run].summary.median / first[run].summary.median);
    return [[kind, rise / Math.log(last.tokens / first.tokens)]];
  });
  return {
    slopes: Object.fromEntries(slopes),
    softmaxOverGlga: pointsOf('glga', false).flatMap((point) => {
      const softmax = secondsAt(pointsOf('softmax', false), point.tokens);
      return softmax === undefined ? [] : [{ tokens: point.tokens, ratio: softmax / point[run].summary.median }];
    }),
    lowest: pointsOf('glga', true).flatMap((point) => {
      const others = dense.flatMap(({ kind, points }) => {
        const seconds = secondsAt(points, point.tokens);
        return seconds === undefined ? [] : [{ kind, seconds }];
      });
      if (others.length === 0) return [];
      const other = others.reduce((best, candidate) => (candidate.seconds < best.seconds ? candidate : best));
      const seconds = point[run].summary.median;
      return [
        {
          tokens: point.tokens,
          isLowest: seconds < other.seconds,
          seconds,
          other: other.kind,
          otherSeconds: other.seconds,
        },
      ];
    }),
  };
}

/** A timing without its samples. */
interface TimingReport extends Rate, Omit<Timing, 'seconds'> {
  calls: number;
  /** The median of PyTorch's fastest over this one's: above 1 is faster. */
  timesPeer?: number;
}

const reportTiming = ({ seconds, ...timing }: Timing, flops: number, limit: number | undefined): TimingReport => ({
  ...timing,
  ...rateCalls(seconds, flops, limit),
  calls: seconds.length,
});
