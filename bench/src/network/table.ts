import { textTable } from '@eflow/cli';
import { formatFailure, formatHead, formatOthers, formatProducts, gigabytes } from '../format.ts';
import type { EntryReport, TimingReport } from './entry-report.ts';
import { formatClips, formatGraph, gigaflops, RATE_COLUMNS, rateCells, times } from './format.ts';
import type { GroupReport, NetworkReport } from './report.ts';
import { formatMemory, formatSummary } from './summary-table.ts';
import { RUN_NAMES, RUNS } from './workload.ts';

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
    ...(differences.length > 0
      ? [`Predictions differ from eager tfjs' by at most, of the largest value: ${differences.join(', ')}`]
      : []),
    ...(forms.length > 0 ? [`PyTorch's fastest form, forward/weak/step: ${forms.join(', ')}`] : []),
    ...entries.flatMap(({ label, graph }) => (graph ? [`Graph of the step, ${label}: ${formatGraph(graph)}`] : [])),
    ...failures.map(formatFailure),
    '',
    textTable(
      RUNS.flatMap((run) => {
        const rows = entries.flatMap((entry) => (entry[run] ? [row(entry, entry[run], entry.flops[run])] : []));
        return rows.length === 0 ? [] : [header(RUN_NAMES[run]), ...rows];
      }),
    ),
  ].join('\n');
}

const header = (title: string) => [
  title,
  'GFLOP',
  ...RATE_COLUMNS,
  'x eager',
  'x PyTorch',
  'x torch.compile',
  'first s',
  'peak GB',
];

const row = ({ label }: EntryReport, timing: TimingReport, flops: number): string[] => [
  label,
  gigaflops(flops),
  ...rateCells(timing),
  times(timing.timesEager),
  times(timing.timesTorch),
  times(timing.timesTorchCompile),
  timing.firstSeconds.toFixed(1),
  gigabytes(timing.peakBytes),
];
