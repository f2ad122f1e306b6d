import type { EntryReport, SizeReport, StepReport, TimingReport } from './report.ts';

/** Share of the machine above which what others do distorts the figures. */
const BUSY = 0.05;

/** The report for people: the machine, then for each size the forward pass and the training step of every contestant. */
export function formatReport(report: StepReport): string {
  const { machine, versions } = report;
  const runtimes = [
    versions.tensorflow && `TensorFlow ${versions.tensorflow}`,
    versions.torch && `PyTorch ${versions.torch}`,
  ];
  const head = [
    `${machine.cpu}, ${machine.cores} cores, ${gigabytes(machine.memoryBytes)} GB; ${machine.system}; load average ${machine.loadAverage.toFixed(1)} at the start`,
    `commit ${machine.commit ?? 'unknown'}; Node.js ${machine.node}${runtimes
      .filter(Boolean)
      .map((text) => `, ${text}`)
      .join('')}; ${report.date}`,
    ...report.skipped,
  ].join('\n');
  const legend = [
    "limit: FLOPs of the model's matrix products over time, as a share of the best rate of plain products in that precision",
    "x eager, x torch.compile: their median over this one's (torch.compile in the same precision); above 1 is faster",
    'first: the first call, with compilation. peak GB: most in RAM in later calls, library and parameters included',
  ].join('\n');
  return [head, ...report.sizes.map(formatSize), legend].join('\n\n');
}

function formatSize(size: SizeReport): string {
  const { tokens, batchSize, clip, depth, forwardFlops, products } = size;
  const rates = products.map(
    ({ runtime, precision, flopsPerSecond }) =>
      `${precision} ${(flopsPerSecond / 1e9).toFixed(0)} (${runtime === 'torch' ? 'PyTorch' : 'TensorFlow'})`,
  );
  const agreement = size.entries.map(({ label, difference }) => `${label} ${difference.toExponential(0)}`);
  const graphs = size.entries.flatMap(({ label, graph }) =>
    graph
      ? [
          `Graph of the step, ${label}: ${graph.operations} operations, ${(graph.bytes / 1e6).toFixed(2)} MB, ${(graph.matmulFlops / 1e9).toFixed(1)} GFLOP in products`,
        ]
      : [],
  );
  const failures = size.failures.map(({ label, reason }) => `${label} failed: ${reason.slice(0, 300)}`);
  return [
    `${tokens} tokens: ${batchSize} clip${batchSize === 1 ? '' : 's'} of ${clip.slice(0, 3).join('x')}, hidden size ${size.hiddenSize}, ${size.numHeads} heads, depth ${depth.join('/')}, ${(forwardFlops / 1e9).toFixed(1)} GFLOP forward`,
    size.interleaved
      ? 'Interleaved: in each round everyone took a turn.'
      : 'Not interleaved: memory would not hold all, so one was measured after the other.',
    `Other processes used ${percent(size.usedByOthers)} of the machine${size.usedByOthers > BUSY ? ': too much, repeat this when it is idle' : ''}`,
    `Plain products, GFLOP/s: ${rates.join(', ')}`,
    `Predictions differ from eager tfjs' by at most, of the largest value: ${agreement.join(', ')}`,
    ...graphs,
    ...failures,
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
  const { median, lowerQuartile, upperQuartile } = timing.summary;
  return [
    label,
    milliseconds(median),
    `${milliseconds(lowerQuartile)}..${milliseconds(upperQuartile)}`,
    String(timing.seconds.length),
    timing.shareOfLimit === undefined ? '-' : percent(timing.shareOfLimit),
    timing.timesEager?.toFixed(2) ?? '-',
    timing.timesTorchCompile?.toFixed(2) ?? '-',
    timing.firstSeconds.toFixed(1),
    gigabytes(timing.peakBytes),
  ];
}

/** Columns as wide as their widest cell: the first to the left, numbers to the right. */
function formatRows(rows: string[][]): string {
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map((cells) => cells[column]!.length)));
  return rows
    .map((cells) => cells.map((cell, i) => (i === 0 ? cell.padEnd(widths[i]!) : cell.padStart(widths[i]!))).join('  '))
    .join('\n');
}

const percent = (share: number) => `${(100 * share).toFixed(0)} %`;
const milliseconds = (seconds: number) => (1000 * seconds).toFixed(1);
const gigabytes = (bytes: number) => (bytes / 1e9).toFixed(1);
