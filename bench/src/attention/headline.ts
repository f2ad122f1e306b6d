import type { Failure } from '../contestant.ts';
import type { GroupResult } from '../group.ts';
import { findLimit, type ProductReport, rateProducts } from '../products.ts';
import { usedByOthers } from '../turn.ts';
import { countFlops } from './flops.ts';
import { reportTiming, type TimingReport } from './timing.ts';
import type { Entry } from './warm-up.ts';
import { KEEP_RATIO, type Kind, keptTokens, type Run, type Shape } from './workload.ts';

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

export function createHeadline(result: GroupResult<Entry>, tokens: readonly number[], shape: Shape): HeadlineReport {
  const products = rateProducts(result.products);
  const limit = findLimit(products, 'float32');
  const counts = [...new Set(tokens)].sort((a, b) => a - b);
  const curve = ({ kind, cells }: Entry, dropped: boolean): Curve => {
    const points = counts.flatMap((count) => {
      const cell = cells.find(({ length }) => length === (dropped ? keptTokens(count) : count));
      if (!cell) return [];
      const timing = (run: Run) => {
        // Of many lengths in one process memory tells little: what an earlier one left there is used again.
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
