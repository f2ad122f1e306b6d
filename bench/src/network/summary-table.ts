import { percent, textTable } from '@eflow/cli';
import { formatFailure, gigabytes } from '../format.ts';
import { times } from './format.ts';
import { nameNetwork } from './groups.ts';
import type { MemoryReport } from './memory-report.ts';
import type { Ratio, Summary } from './summary.ts';

/** What the measurements show: a row for each network, a column for each number of tokens; '' where nothing compares. */
export function formatSummary(summary: Summary): string {
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

export function formatMemory({ kind, tokens, depth, entries, ratios, failures }: MemoryReport): string {
  const rows = entries.map(({ label, loadedBytes, peakBytes, addedBytes, stepSeconds }) => [
    `  ${label}`,
    gigabytes(loadedBytes),
    gigabytes(peakBytes),
    gigabytes(addedBytes),
    stepSeconds.toFixed(2),
  ]);
  const over = ratios && [
    '  over all kept',
    '',
    times(ratios.peakBytes),
    times(ratios.addedBytes),
    times(ratios.stepSeconds),
  ];
  return [
    textTable([
      [
        `Memory of a step: ${kind}, ${tokens} tokens, depth ${depth.join('/')}`,
        'before, GB',
        'peak, GB',
        'added, GB',
        'step, s',
      ],
      ...rows,
      ...(over ? [over] : []),
    ]),
    ...failures.map(formatFailure),
  ].join('\n');
}
