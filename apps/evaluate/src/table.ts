import { formatClock, percent, textTable } from '@eflow/cli';
import { formatEvaluations, type StepMetrics } from '@eflow/run';
import type { Evaluation, Judged } from './evaluation.ts';

export const COLUMNS = ['clips', 'network passes', 'Frechet distance', 'class accuracy', 'frame consistency'] as const;

const figures = ({ frechetDistance, classAccuracy, frameConsistency }: Judged) => [
  frechetDistance.toFixed(frechetDistance < 10 ? 2 : 1),
  percent(classAccuracy, 1),
  percent(frameConsistency, 1),
];

/** "untrained", or the time of training after which a checkpoint was written. */
export function describeAge({ step, seconds }: { step: number; seconds: number }): string {
  if (step === 0) return 'untrained';
  return `after ${formatClock(seconds)} ${seconds < 3599.5 ? 'min' : 'h'} (step ${step})`;
}

/** Seconds of training until `step` steps had been made; of steps whose update was left out there are no metrics. */
export const secondsUntil = (metrics: readonly StepMetrics[], step: number): number =>
  metrics.findLast((one) => one.step < step)?.seconds ?? 0;

/** One row per checkpoint and number of steps, and one of real clips. */
export function tableRows({ results, real }: Evaluation): string[][] {
  const generated = results.map((result) => [describeAge(result), formatEvaluations(result), ...figures(result)]);
  return [...generated, ['real held-out clips', '-', ...figures(real)]];
}

/** The table as aligned text. */
export function formatTable(evaluation: Evaluation): string {
  const [head, ...body] = textTable([[...COLUMNS], ...tableRows(evaluation)], '   ').split('\n');
  return [head, '-'.repeat(head!.length), ...body].join('\n');
}
