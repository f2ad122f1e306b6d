import {
  formatFailure,
  formatHead,
  formatOthers,
  formatProducts,
  formatRows,
  gigabytes,
  percent,
  quartiles,
} from '../format.ts';
import type { EntryReport, SizeReport, StepReport, TimingReport } from './report.ts';

/** The report for people: the machine, then for each size the forward pass and the training step of every contestant. */
export function formatReport(report: StepReport): string {
  const legend = [
    "limit: FLOPs of the model's matrix products over time, as a share of the best rate of plain products in that precision",
    "x eager, x torch.compile: their median over this one's (torch.compile in the same precision); above 1 is faster",
    'first: the first call, with compilation. peak GB: most in RAM in later calls, library and parameters included',
  ].join('\n');
  return [formatHead(report), ...report.sizes.map(formatSize), legend].join('\n\n');
}

function formatSize(size: SizeReport): string {
  const { tokens, batchSize, clip, depth, forwardFlops, products } = size;
  const agreement = size.entries.map(({ label, difference }) => `${label} ${difference.toExponential(0)}`);
  const graphs = size.entries.flatMap(({ label, graph }) =>
    graph
      ? [
          `Graph of the step, ${label}: ${graph.operations} operations, ${(graph.bytes / 1e6).toFixed(2)} MB, ${(graph.matmulFlops / 1e9).toFixed(1)} GFLOP in products`,
        ]
      : [],
  );
  return [
    `${tokens} tokens: ${batchSize} clip${batchSize === 1 ? '' : 's'} of ${clip.slice(0, 3).join('x')}, hidden size ${size.hiddenSize}, ${size.numHeads} heads, depth ${depth.join('/')}, ${(forwardFlops / 1e9).toFixed(1)} GFLOP forward`,
    size.interleaved
      ? 'Interleaved: in each round everyone took a turn.'
      : 'Not interleaved: memory would not hold all, so one was measured after the other.',
    formatOthers(size.usedByOthers),
    formatProducts(products),
    `Predictions differ from eager tfjs' by at most, of the largest value: ${agreement.join(', ')}`,
    ...graphs,
    ...size.failures.map(formatFailure),
    '',
    formatRows([
      header('forward'),
      ...size.entries.map((entry) => row(entry, entry.forward)),
      header('training step'),
      ...size.entries.map((entry) => row(entry, entry.step)),
    ]),
  ].join('\n');
}

const header = (title: string) => [
  title,
  'median ms',
  'quartiles',
  'n',
  'limit',
  'x eager',
  'x torch.compile',
  'first s',
  'peak GB',
];

function row({ label }: EntryReport, timing: TimingReport): string[] {
  return [
    label,
    milliseconds(timing.summary.median),
    quartiles(timing.summary, milliseconds),
    String(timing.seconds.length),
    timing.shareOfLimit === undefined ? '-' : percent(timing.shareOfLimit),
    timing.timesEager?.toFixed(2) ?? '-',
    timing.timesTorchCompile?.toFixed(2) ?? '-',
    timing.firstSeconds.toFixed(1),
    gigabytes(timing.peakBytes),
  ];
}

const milliseconds = (seconds: number) => (1000 * seconds).toFixed(1);
