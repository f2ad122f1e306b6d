import { mean, median } from '@eflow/cli';
import type { SkippedStep, StepMetrics } from '@eflow/run';

/** Steps at the end that the loss is a mean of. */
const LAST = 50;
/** A gradient this many times as long as the median one is a spike. */
const SPIKE = 10;

/** Whether a training was calm. Gradients' norms are those before clipping. */
export interface Stability {
  /** Mean of the last 50 steps. */
  loss: number;
  /** Their standard deviation. */
  lossSpread: number;
  medianGradNorm: number;
  largestGradNorm: number;
  /** In the second half of the steps: at the start every network's gradient is long. */
  largestLateGradNorm: number;
  /** Steps whose gradient is more than ten times as long as the median one, or not finite. */
  spikes: number;
  /** Steps whose loss or gradient was not finite: they changed no weight. */
  notFinite: number;
}

/** `skipped` are the steps without an update, which `metrics` does not have. Of no steps the figures are NaN. */
export function measureStability(metrics: readonly StepMetrics[], skipped: readonly SkippedStep[]): Stability {
  const last = metrics.slice(-LAST).map((step) => step.loss);
  const loss = mean(last);
  const norms = metrics.map(({ gradNorm }) => gradNorm);
  const medianGradNorm = median(norms);
  // The guard of training names a spike by what is too large, and all else by the loss.
  const notFinite = skipped.filter(({ reason }) => reason.startsWith('the loss is ')).length;
  return {
    loss,
    lossSpread: Math.sqrt(mean(last.map((x) => (x - loss) ** 2))),
    medianGradNorm,
    largestGradNorm: Math.max(...norms),
    largestLateGradNorm: Math.max(...norms.slice(Math.floor(norms.length / 2))),
    spikes: norms.filter((norm) => norm > SPIKE * medianGradNorm).length + notFinite,
    notFinite,
  };
}
