import { withDefaults } from '@eflow/tensor';

/** A learning rate as a function of the number of updates made so far. */
export type Schedule = (step: number) => number;

export interface WarmupOptions {
  /** The rate after the warm-up, >= 0. */
  learningRate?: number;
  /** Updates, an integer >= 0. */
  warmupSteps?: number;
}

export const WARMUP_DEFAULTS = { learningRate: 1e-4, warmupSteps: 0 };

/**
 * Rises linearly to `learningRate` over the first `warmupSteps` updates, then stays. The first update already takes
 * 1/warmupSteps of it. Options that are absent are those of `WARMUP_DEFAULTS`. Throws on a negative rate, a number of steps that is no
 * integer >= 0 and an unknown option.
 */
export function warmupConstant(options: WarmupOptions = {}): Schedule {
  const { learningRate, warmupSteps } = withDefaults('warmupConstant', options, WARMUP_DEFAULTS);
  checkRate('warmupConstant', learningRate);
  checkSteps('warmupConstant', 'warmupSteps', warmupSteps, 0);
  return (step) => learningRate * Math.min(1, (step + 1) / Math.max(1, warmupSteps));
}

/**
 * As `warmupConstant`, then falls along half a cosine to 0 at `totalSteps` (Loshchilov and Hutter, "SGDR",
 * arXiv 1608.03983, eq. 5, one period). Throws also if `totalSteps` is not beyond the warm-up.
 */
export function warmupCosine(options: WarmupOptions & { totalSteps: number }): Schedule {
  const { learningRate, warmupSteps, totalSteps } = withDefaults('warmupCosine', options, WARMUP_DEFAULTS, [
    'totalSteps',
  ]);
  const rise = warmupConstant({ learningRate, warmupSteps });
  checkSteps('warmupCosine', 'totalSteps', totalSteps, warmupSteps + 1);
  return (step) => {
    const progress = (step - warmupSteps) / (totalSteps - warmupSteps);
    return rise(step) * 0.5 * (1 + Math.cos(Math.PI * Math.min(1, Math.max(0, progress))));
  };
}

/** Throws unless `learningRate` is finite and not negative. */
export function checkRate(where: string, learningRate: number): void {
  if (Number.isFinite(learningRate) && learningRate >= 0) return;
  throw new Error(`${where}: learningRate is ${learningRate}; expected a finite number >= 0, such as 1e-4`);
}

/** Throws unless `steps` is an integer of at least `least`. */
export function checkSteps(where: string, name: string, steps: number, least: number): void {
  if (Number.isSafeInteger(steps) && steps >= least) return;
  throw new Error(`${where}: ${name} is ${steps}; expected an integer >= ${least}`);
}
