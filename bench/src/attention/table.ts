import { percent, textTable } from '@eflow/cli';
import { formatFailure, formatHead, formatOthers, milliseconds, quartiles, tableLines } from '../format.ts';
import { findLimit } from '../products.ts';
import type { AttentionReport, Checks, ComparisonReport, Curve, EntryReport, HeadlineReport } from './report.ts';
import { describeShape, hasWindow, KINDS, type Kind, RUN_NAMES, RUNS, type Run, type Shape } from './workload.ts';

/** The report for people: the machine, each kind beside its peers, then all kinds side by side with what they show. */
export function formatReport(report: AttentionReport): string {
  const { shape, comparisons, headline, failures } = report;
  const kinds = KINDS.flatMap((kind) => {
    const ofKind = comparisons.filter((comparison) => comparison.kind === kind);
    return ofKind.length === 0 ? [] : [formatKind(kind, ofKind, shape)];
  });
  return [
    [formatHead(report), ...failures.map(formatFailure)].join('\n'),
    ...kinds,
    ...(kinds.length > 0 ? [LEGEND] : []),
    ...(headline ? [formatHeadline(headline, shape)] : []),
  ].join('\n\n');
}

const LEGEND = [
  'tokens: those that the kernel sees; where 75 % are dropped, the sequence had four times as many',
  "limit: FLOPs of the matrix products in the definition over time, as a share of the machine's rate of plain products",
  "x peer: the median of PyTorch's faster one over this one's; above 1 is faster",
  'added: most in RAM while a call runs, over what stays loaded; in MB, over the size of inputs and outputs, over that of all scores L x L',
  'first: the first call, with compilation. composed: without C++ kernels (EFLOW_NATIVE=0)',
].join('\n');

function formatKind(kind: Kind, comparisons: readonly ComparisonReport[], shape: Shape): string {
  const apart = comparisons.filter(({ interleaved }) => !interleaved).map(({ length }) => length);
  const forms = comparisons.flatMap(({ length, entries }) =>
    entries.flatMap(({ label, forward, gradient }) =>
      forward.form ? [`${label} ${length} ${forward.form}/${gradient.form}`] : [],
    ),
  );
  const limits = comparisons
    .flatMap(({ products }) => findLimit(products, 'float32') ?? [])
    .map((limit) => limit / 1e9);
  const differences = comparisons.flatMap(({ entries }) =>
    entries.flatMap(({ difference }) => Object.values(difference)),
  );
  return [
    `${kind}: ${describeShape(shape)}${hasWindow(kind) ? `, window +-${shape.windowSize}` : ''}`,
    formatOthers(Math.max(...comparisons.map((comparison) => comparison.usedByOthers))),
    limits.length > 0 &&
      `Plain products, GFLOP/s: ${Math.min(...limits).toFixed(0)} to ${Math.max(...limits).toFixed(0)}`,
    differences.length > 0 &&
      `Outputs and gradients differ from eager, composed tfjs' by at most ${Math.max(...differences).toExponential(0)} of the largest value`,
    apart.length > 0 &&
      `Not interleaved at ${apart.join(', ')} tokens: memory would not hold all, so one was measured after the other.`,
    forms.length > 0 && `PyTorch's fastest form, forward/backward: ${forms.join(', ')}`,
    ...comparisons.flatMap(({ length, failures }) =>
      failures.map(({ label, reason }) => formatFailure({ label: `${label} at ${length} tokens`, reason })),
    ),
    '',
    textTable(
      RUNS.flatMap((run) =>
        tableLines(
          comparisons.flatMap((comparison) => comparison.entries.map((entry) => rowOf(comparison, entry, run))),
        ),
      ),
    ),
  ]
    .filter((line) => line !== false)
    .join('\n');
}

const rowOf = ({ length, bytes, scoreBytes }: ComparisonReport, entry: EntryReport, run: Run) => {
  const { summary, calls, shareOfLimit, timesPeer, addedBytes, firstSeconds } = entry[run];
  return {
    [RUN_NAMES[run]]: nameOf(entry),
    tokens: String(length),
    'median ms': milliseconds(summary.median),
    quartiles: quartiles(summary, milliseconds),
    n: String(calls),
    limit: shareOfLimit === undefined ? '-' : percent(shareOfLimit),
    'x peer': timesPeer?.toFixed(2) ?? '-',
    'added MB': (addedBytes / 1e6).toFixed(0),
    'x in+out': (addedBytes / bytes[run]).toFixed(1),
    'of L x L': percent(addedBytes / scoreBytes),
    'first s': firstSeconds.toFixed(1),
  };
};

const nameOf = ({ name, native, label }: EntryReport) =>
  name === 'native' && !native ? 'native (composed here)' : label;

/** All kinds side by side: their medians and quartiles, and what they show. */
function formatHeadline(headline: HeadlineReport, shape: Shape): string {
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
