import type { Trace } from './cell.ts';

/** Steps at the end that the loss is a mean of. */
const LAST = 50;
/** A gradient this many times as long as the median one is a spike. */
const SPIKE = 10;

/** What one network's training comes to. */
export interface Measures {
  /** Mean of the last 50 steps. */
  loss: number;
  /** Their standard deviation. */
  lossSpread: number;
  medianGradNorm: number;
  largestGradNorm: number;
  /** In the second half of the steps: at the start every network's gradient is long. */
  largestLateGradNorm: number;
  /** Steps whose gradient is more than ten times as long as the median one. */
  spikes: number;
  /** Steps whose loss or gradient is not finite. */
  nonFinite: number;
}

export function measure({ losses, gradNorms }: Trace): Measures {
  const last = losses.slice(-LAST);
  const loss = mean(last);
  const finite = gradNorms.filter(Number.isFinite).sort((a, b) => a - b);
  const medianGradNorm = finite[Math.floor(finite.length / 2)] ?? Number.NaN;
  return {
    loss,
    lossSpread: Math.sqrt(mean(last.map((x) => (x - loss) ** 2))),
    medianGradNorm,
    largestGradNorm: finite.at(-1) ?? Number.NaN,
    largestLateGradNorm: Math.max(...gradNorms.slice(Math.floor(gradNorms.length / 2))),
    spikes: gradNorms.filter((norm) => !(norm <= SPIKE * medianGradNorm)).length,
    nonFinite: losses.filter((x, i) => !Number.isFinite(x) || !Number.isFinite(gradNorms[i])).length,
  };
}

const mean = (values: number[]) => values.reduce((sum, x) => sum + x, 0) / values.length;
