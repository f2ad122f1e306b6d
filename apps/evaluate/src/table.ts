import { formatClock, percent, textTable } from '@eflow/cli';
import type { FactorShares, Measurement } from '@eflow/measure';
import { formatEvaluations, type StepMetrics } from '@eflow/run';
import type { Evaluation } from './evaluation.ts';

/** The figures of clips by the names of their columns. */
function figures({ frechetDistance, classAccuracy, frameConsistency, factors }: Measurement): Record<string, string> {
  const distance = { 'Frechet distance': frechetDistance.toFixed(frechetDistance < 10 ? 2 : 1) };
  if (!factors)
    return {
      ...distance,
      'class accuracy': percent(classAccuracy!, 1),
      'frame consistency': percent(frameConsistency!, 1),
    };
  const { seen, unseen, swapped } = factors;
  const shares = (of: FactorShares | undefined, factor: string) => (of ? percent(of[factor]!, 1) : '-');
  const columns = Object.keys(swapped).map((factor) => [
    factor,
    [seen, unseen, swapped].map((of) => shares(of, factor)).join(' / '),
  ]);
  return { ...distance, ...Object.fromEntries(columns) };
}

/** What a table of factors needs to be understood. */
export const FACTORS_NOTE =
  'Shares of clips that show what their captions say: of combinations that training has / of those that it leaves out / with captions swapped, which is chance.';

/** "untrained", or the time of training after which a checkpoint was written. */
export function describeAge({ step, seconds }: { step: number; seconds: number }): string {
  if (step === 0) return 'untrained';
  return `after ${formatClock(seconds)} ${seconds < 3599.5 ? 'min' : 'h'} (step ${step})`;
}

/** Seconds of training until `step` steps had been made; of steps whose update was left out there are no metrics. */
export const secondsUntil = (metrics: readonly StepMetrics[], step: number): number =>
  metrics.findLast((one) => one.step < step)?.seconds ?? 0;

/** One row per checkpoint and number of steps, and one of real clips. */
export function evaluationTable({ results, real }: Evaluation): { head: string[]; rows: string[][] } {
  const generated = results.map((result) => [
    describeAge(result),
    formatEvaluations(result),
    ...Object.values(figures(result)),
  ]);
  return {
    head: ['clips', 'network passes', ...Object.keys(figures(real))],
    rows: [...generated, ['real held-out clips', '-', ...Object.values(figures(real))]],
  };
}

/** The table as aligned text. */
export function formatTable(evaluation: Evaluation): string {
  const { head, rows } = evaluationTable(evaluation);
  const [first, ...body] = textTable([head, ...rows], '   ').split('\n');
  return [first, '-'.repeat(first!.length), ...body].join('\n');
}
