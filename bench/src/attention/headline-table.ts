import { textTable } from '@eflow/cli';
import { formatFailure, formatOthers, milliseconds, quartiles } from '../format.ts';
import { findLimit } from '../products.ts';
import type { Checks, Curve, HeadlineReport } from './headline.ts';
import { describeShape, RUN_NAMES, RUNS, type Run, type Shape } from './workload.ts';

/** All kinds side by side: their medians and quartiles, and what they show. */
export function formatHeadline(headline: HeadlineReport, shape: Shape): string {
  const { curves, checks, products, failures } = headline;
  const limit = findLimit(products, 'float32');
  const composed = kindsOf(curves.filter(({ points }) => points.some(({ native }) => !native)));
  return [
    `All kinds: ${describeShape(shape)}, window +-${shape.windowSize}; in each round every kind took a turn at every length`,
    formatOthers(headline.usedByOthers),
    `Plain products, GFLOP/s: ${limit === undefined ? 'not measured' : (limit / 1e9).toFixed(0)}`,
    ...(composed.length > 0 ? [`Without C++ kernels here, at some length at least: ${composed.join(', ')}`] : []),
    ...failures.map(formatFailure),
    ...RUNS.flatMap((run) => ['', textTable(listCurves(curves, run)), '', ...formatChecks(checks[run])]),
  ].join('\n');
}

const kindsOf = (curves: readonly Curve[]) => [...new Set(curves.map(({ kind }) => kind))];

/** Median (quartiles) in ms: a row for each curve, a column for each number of tokens. */
function listCurves(curves: readonly Curve[], run: Run): string[][] {
  const tokens = [...new Set(curves.flatMap(({ points }) => points.map((point) => point.tokens)))].sort(
    (a, b) => a - b,
  );
  return [
    [`${RUN_NAMES[run]}, ms`, ...tokens.map(String)],
    ...curves.map(({ kind, dropped, points }) => [
      dropped ? `${kind}, 75 % dropped` : kind,
      ...tokens.map((count) => {
        const summary = points.find((point) => point.tokens === count)?.[run].summary;
        return summary ? `${milliseconds(summary.median)} (${quartiles(summary, milliseconds)})` : '-';
      }),
    ]),
  ];
}

function formatChecks({ slopes, softmaxOverGlga, lowest }: Checks): string[] {
  const list = (items: string[]) => (items.length > 0 ? items.join(', ') : 'not measured');
  const slope = Object.entries(slopes).map(([kind, value]) => `${kind} ${value.toFixed(2)}`);
  const ratios = softmaxOverGlga.map(({ tokens, ratio }) => `${tokens} tokens ${ratio.toFixed(1)}x`);
  const places = lowest.map(
    ({ tokens, isLowest, seconds, other, otherSeconds }) =>
      `${tokens} tokens ${isLowest ? 'lowest' : 'NOT lowest'} (${milliseconds(seconds)} ms, ${other} ${milliseconds(otherSeconds)})`,
  );
  return [
    `Log-log slope from the fewest to the most tokens: ${list(slope)}`,
    `GLGA's speed over softmax's: ${list(ratios)}`,
    `GLGA with 75 % dropped beside the fastest dense kind: ${list(places)}`,
  ];
}
