import { percent, textTable } from '@eflow/cli';
import type { GraphDescription } from '@eflow/engine';
import {
  formatFailure,
  formatHead,
  formatOthers,
  formatProducts,
  gigabytes,
  quartiles,
  tableLines,
} from '../format.ts';
import { nameNetwork } from './groups.ts';
import type {
  EntryReport,
  GroupReport,
  MemoryFigures,
  MemoryReport,
  NetworkReport,
  Ratio,
  Summary,
  TimingReport,
} from './report.ts';
import { RUN_NAMES, RUNS, type Run, type Workload } from './workload.ts';

/** The report for people: the machine, each group of networks, then what they show. */
export function formatReport(report: NetworkReport): string {
  const { size, windowSize, groups, memory, summary } = report;
  const { hiddenSize, numHeads, depth, mlpRatio, patchSize } = size;
  return [
    [
      formatHead(report),
      `Hidden size ${hiddenSize}, ${numHeads} heads, depth ${depth.join('/')}, MLPs of ${mlpRatio}, patches of ${patchSize.join('x')}, windows of +-${windowSize}`,
    ].join('\n'),
    ...groups.map(formatGroup),
    LEGEND,
    formatSummary(summary),
    memory ? formatMemory(memory) : '',
  ]
    .filter((part) => part !== '')
    .join('\n\n');
}

const LEGEND = [
  'limit: FLOPs of the matrix products in the definition over time, as a share of the best rate of plain products in that precision',
  "x eager, x PyTorch, x torch.compile: their median on the same network over this one's (torch.compile in the same precision); above 1 is faster",
  'first: the first call, with compilation. peak GB: most in RAM in later calls, library and parameters included',
].join('\n');

function formatGroup({ title, entries, failures, ...group }: GroupReport): string {
  const differences = entries.flatMap((entry) => {
    const all = Object.values(entry.differences);
    return all.length > 0 ? [`${entry.label} ${Math.max(...all).toExponential(0)}`] : [];
  });
  const forms = entries.flatMap(({ label, forward, weak, step }) =>
    [forward, weak, step].some((timing) => timing?.form)
      ? [`${label} ${[forward, weak, step].flatMap((timing) => timing?.form ?? []).join('/')}`]
      : [],
  );
  return [
    `${title}: ${formatClips(group)}`,
    group.turns.length === 1
      ? 'In each round everyone took a turn.'
      : `Memory would not hold all, so not everyone took turns with everyone: ${group.turns.map((labels) => labels.join(' + ')).join('; then ')}`,
    formatOthers(group.usedByOthers),
    formatProducts(group.products),
    differences.length > 0 &&
      `Predictions differ from eager tfjs' by at most, of the largest value: ${differences.join(', ')}`,
    forms.length > 0 && `PyTorch's fastest form, forward/weak/step: ${forms.join(', ')}`,
    ...entries.flatMap(({ label, graph }) => (graph ? [`Graph of the step, ${label}: ${formatGraph(graph)}`] : [])),
    ...failures.map(formatFailure),
    '',
    textTable(
      RUNS.flatMap((run) =>
        tableLines(entries.flatMap((entry) => (entry[run] ? [rowOf(entry, run, entry[run])] : []))),
      ),
    ),
  ]
    .filter((line) => line !== false)
    .join('\n');
}

const rowOf = ({ label, flops }: EntryReport, run: Run, timing: TimingReport) => ({
  [RUN_NAMES[run]]: label,
  GFLOP: gigaflops(flops[run]),
  'median ms': milliseconds(timing.summary.median),
  quartiles: quartiles(timing.summary, milliseconds),
  n: String(timing.seconds.length),
  limit: timing.shareOfLimit === undefined ? '-' : percent(timing.shareOfLimit),
  'x eager': times(timing.timesEager),
  'x PyTorch': times(timing.timesTorch),
  'x torch.compile': times(timing.timesTorchCompile),
  'first s': timing.firstSeconds.toFixed(1),
  'peak GB': gigabytes(timing.peakBytes),
});

/** What the measurements show: a row for each network, a column for each number of tokens; '' where nothing compares. */
function formatSummary(summary: Summary): string {
  const tokens = [...new Set(Object.values(summary).flatMap((ratios: Ratio[]) => ratios.map((ratio) => ratio.tokens)))];
  if (tokens.length === 0) return '';
  tokens.sort((a, b) => a - b);
  const section = (title: string, ratios: readonly Ratio[], format: (value: number) => string = times) => {
    const names = [...new Set(ratios.map(nameOf))];
    const rows = names.map((name) => {
      const ofNetwork = ratios.filter((ratio) => nameOf(ratio) === name);
      const cell = (count: number) => {
        const found = ofNetwork.find((ratio) => ratio.tokens === count);
        return found ? format(found.value) : '-';
      };
      return [`  ${name}`, ...tokens.map(cell)];
    });
    return rows.length === 0 ? [] : [[title, ...tokens.map(() => '')], ...rows];
  };
  return textTable([
    ['Compiled networks, ratios of medians; tokens:', ...tokens.map(String)],
    ...section('Steps with tokens dropped, in the time of one dense step', summary.dropSpeedup),
    ...section('Weak path over a forward pass', summary.weakShare, percent),
    ...section("torch.compile's step over ours", summary.stepOverTorchCompile),
    ...section("Dense softmax's step over GLGA's", summary.backboneStep),
    ...section("Dense softmax's forward pass over GLGA's", summary.backboneForward),
    ...section("Products that the step's graph lost, over the dropped tokens'", summary.lostProducts),
  ]);
}

const nameOf = ({ kind, keepRatio }: Ratio) => nameNetwork(kind, keepRatio);

function formatMemory({ kind, tokens, depth, entries, ratios, failures }: MemoryReport): string {
  const title = `Memory of a step: ${kind}, ${tokens} tokens, depth ${depth.join('/')}`;
  const row = (name: string, before: string, figures: MemoryFigures, format: (bytes: number) => string) => ({
    [title]: `  ${name}`,
    'before, GB': before,
    'peak, GB': format(figures.peakBytes),
    'added, GB': format(figures.addedBytes),
    'step, s': times(figures.stepSeconds),
  });
  const rows = entries.map((entry) => row(entry.label, gigabytes(entry.loadedBytes), entry, gigabytes));
  if (ratios) rows.push(row('over all kept', '', ratios, times));
  return [textTable(tableLines(rows)), ...failures.map(formatFailure)].join('\n');
}

const formatClips = ({ batchSize, clip }: Pick<Workload, 'batchSize' | 'clip'>): string =>
  `${batchSize} clip${batchSize === 1 ? '' : 's'} of ${clip.numFrames}x${clip.height}x${clip.width}`;

const formatGraph = ({ operations, bytes, matmulFlops }: GraphDescription): string =>
  `${operations} operations, ${(bytes / 1e6).toFixed(2)} MB, ${gigaflops(matmulFlops)} GFLOP in products`;

const gigaflops = (flops: number): string => (flops / 1e9).toFixed(1);

const milliseconds = (seconds: number) => (1000 * seconds).toFixed(1);

/** A ratio where 1 is equal, or a dash. */
const times = (ratio: number | undefined): string => ratio?.toFixed(2) ?? '-';
