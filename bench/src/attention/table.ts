import { percent, textTable } from '@eflow/cli';
import { formatFailure, formatHead, formatOthers, milliseconds, quartiles } from '../format.ts';
import { findLimit } from '../products.ts';
import { formatHeadline } from './headline-table.ts';
import type { AttentionReport, ComparisonReport, EntryReport } from './report.ts';
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
    ...(limits.length > 0
      ? [`Plain products, GFLOP/s: ${Math.min(...limits).toFixed(0)} to ${Math.max(...limits).toFixed(0)}`]
      : []),
    ...(differences.length > 0
      ? [
          `Outputs and gradients differ from eager, composed tfjs' by at most ${Math.max(...differences).toExponential(0)} of the largest value`,
        ]
      : []),
    ...(apart.length > 0
      ? [
          `Not interleaved at ${apart.join(', ')} tokens: memory would not hold all, so one was measured after the other.`,
        ]
      : []),
    ...(forms.length > 0 ? [`PyTorch's fastest form, forward/backward: ${forms.join(', ')}`] : []),
    ...comparisons.flatMap(({ length, failures }) =>
      failures.map(({ label, reason }) => formatFailure({ label: `${label} at ${length} tokens`, reason })),
    ),
    '',
    textTable(
      RUNS.flatMap((run) => [
        header(RUN_NAMES[run]),
        ...comparisons.flatMap((comparison) => comparison.entries.map((entry) => row(comparison, entry, run))),
      ]),
    ),
  ].join('\n');
}

const header = (title: string) => [
  title,
  'tokens',
  'median ms',
  'quartiles',
  'n',
  'limit',
  'x peer',
  'added MB',
  'x in+out',
  'of L x L',
  'first s',
];

function row({ length, bytes, scoreBytes }: ComparisonReport, entry: EntryReport, run: Run): string[] {
  const { summary, calls, shareOfLimit, timesPeer, addedBytes, firstSeconds } = entry[run];
  return [
    entry.name === 'native' && !entry.native ? 'native (composed here)' : entry.label,
    String(length),
    milliseconds(summary.median),
    quartiles(summary, milliseconds),
    String(calls),
    shareOfLimit === undefined ? '-' : percent(shareOfLimit),
    timesPeer?.toFixed(2) ?? '-',
    (addedBytes / 1e6).toFixed(0),
    (addedBytes / bytes[run]).toFixed(1),
    percent(addedBytes / scoreBytes),
    firstSeconds.toFixed(1),
  ];
}
