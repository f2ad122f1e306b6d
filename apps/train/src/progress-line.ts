import { createProgress } from '@eflow/cli';
import { LOSS_TERMS, type LossTerm } from '@eflow/flow';
import type { StepMetrics } from '@eflow/run';

/** How far training is: by steps, or by time where that ends it sooner. */
function progressOf({ step, seconds }: StepMetrics, steps: number, maxSeconds = Number.POSITIVE_INFINITY): number {
  return Math.min(1, Math.max((step + 1) / steps, seconds / maxSeconds));
}

/** The mean squares of an objective's residuals, such as `fm 0.412, sol 0.083`. */
export const describeTerms = (losses: Partial<Record<LossTerm, number>>): string =>
  LOSS_TERMS.flatMap(({ name, short }) => {
    const value = losses[name];
    return value === undefined ? [] : `${short} ${value.toFixed(3)}`;
  }).join(', ');

/** A live line on a terminal, a line every ten seconds elsewhere. */
export function createProgressLine(steps: number, maxSeconds?: number) {
  const progress = createProgress(1, '', { stays: true });
  let smooth = 0;
  progress.update(0, 'step 0');
  return {
    update(metrics: StepMetrics, firstSeconds: number) {
      smooth = smooth === 0 ? metrics.stepSeconds : 0.9 * smooth + 0.1 * metrics.stepSeconds;
      const done = progressOf(metrics, steps, maxSeconds);
      const start = maxSeconds === undefined ? 0 : Math.min(1, firstSeconds / maxSeconds);
      const spent = metrics.seconds - firstSeconds;
      const clips = (metrics.clipsPerSecond * (metrics.stepSeconds / smooth)).toFixed(0);
      progress.update(
        done,
        `step ${metrics.step + 1} | loss ${metrics.loss.toFixed(3)} (${describeTerms(metrics)}) | ${(1 / smooth).toFixed(2)} it/s, ${clips} clips/s`,
        {
          elapsed: metrics.seconds,
          left: Math.min((steps - metrics.step - 1) * smooth, ((1 - done) * spent) / Math.max(done - start, 1e-9)),
        },
      );
    },
    stop: progress.end,
  };
}
