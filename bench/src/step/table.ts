import { textTable } from '@eflow/cli';
import { formatFailure, formatHead, formatOthers, formatProducts, gigabytes } from '../format.ts';
import { formatClips, formatGraph, gigaflops, RATE_COLUMNS, rateCells, times } from '../video-dit/format.ts';
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
  const { tokens, batchSize, depth, forwardFlops, products } = size;
  const [numFrames, height, width] = size.clip;
  const agreement = size.entries.map(({ label, difference }) => `${label} ${difference.toExponential(0)}`);
  const graphs = size.entries.flatMap(({ label, graph }) =>
    graph ? [`Graph of the step, ${label}: ${formatGraph(graph)}`] : [],
  );
  return [
    `${tokens} tokens: ${formatClips({ batchSize, clip: { numFrames, height, width } })}, hidden size ${size.hiddenSize}, ${size.numHeads} heads, depth ${depth.join('/')}, ${gigaflops(forwardFlops)} GFLOP forward`,
    size.interleaved
      ? 'Interleaved: in each round everyone took a turn.'
      : 'Not interleaved: memory would not hold all, so some were measured after the others.',
    formatOthers(size.usedByOthers),
    formatProducts(products),
    `Predictions differ from eager tfjs' by at most, of the largest value: ${agreement.join(', ')}`,
    ...graphs,
    ...size.failures.map(formatFailure),
    '',
    textTable([
      header('forward'),
      ...size.entries.map((entry) => row(entry, entry.forward)),
      header('training step'),
      ...size.entries.map((entry) => row(entry, entry.step)),
    ]),
  ].join('\n');
}

const header = (title: string) => [title, ...RATE_COLUMNS, 'x eager', 'x torch.compile', 'first s', 'peak GB'];

const row = ({ label }: EntryReport, timing: TimingReport): string[] => [
  label,
  ...rateCells(timing),
  times(timing.timesEager),
  times(timing.timesTorchCompile),
  timing.firstSeconds.toFixed(1),
  gigabytes(timing.peakBytes),
];
