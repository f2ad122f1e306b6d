/** A learning rate as a function of the number of updates made so far. */
export type Schedule = (step: number) => number;

/**
 * Rises linearly to `learningRate` over the first `warmupSteps` updates, then stays. The first update already takes
 * 1/warmupSteps of it. Throws on a negative rate or a number of steps that is no integer >= 0.
 */
export function warmupConstant({ learningRate, warmupSteps }: { learningRate: number; warmupSteps: number }): Schedule {
  checkRate('warmupConstant', learningRate);
  checkSteps('warmupConstant', 'warmupSteps', warmupSteps, 0);
  return (step) => learningRate * Math.min(1, (step + 1) / Math.max(1, warmupSteps));
}

/**
 * As `warmupConstant`, then falls along half a cosine to 0 at `totalSteps` (Loshchilov and Hutter, "SGDR",
 * arXiv 1608.03983, eq. 5, one period). Throws also if `totalSteps` is not beyond the warm-up.
 */
export function warmupCosine({
  learningRate,
  warmupSteps,
  totalSteps,
}: {
  learningRate: number;
  warmupSteps: number;
  totalSteps: number;
}): Schedule {
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
