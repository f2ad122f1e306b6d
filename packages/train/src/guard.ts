/** What a step came to, before its update is made. */
export interface Outcome {
  loss: number;
  /** The velocity's plain mean square, as a loss that is weighted hides spikes; of an objective without one, the loss. */
  velocityLoss: number;
  gradNorm: number;
}

/** What the guard goes by; kept in checkpoints. */
export type GuardState = {
  /** Steps that were left out so far. */
  skipped: number;
  /** How many of the last ones, one after the other, were not finite. */
  notFiniteInARow: number;
  /** The last steps that were finite, updates and spikes alike. */
  recent: { velocityLoss: number; gradNorm: number }[];
};

export const NEW_GUARD: GuardState = { skipped: 0, notFiniteInARow: 0, recent: [] };

/** Steps in a row that are not finite end the run. */
export const MOST_IN_A_ROW = 3;

/** Steps that a spike is measured against, and how many there must be (Levanter's and OLMo's rule). */
const WINDOW = 128;
const LEAST = WINDOW / 2;

/**
 * Whether an update may be made: `reason` says why not. It may not where the loss or the gradient's norm is not finite, or,
 * if `spikeDeviations` is given, where the velocity's loss or the norm is that many standard deviations above its mean over
 * the last steps. Those include the spikes that were left out, as in OLMo-core: where the loss stays at a new level, the
 * window learns of it, and training goes on.
 */
export function judge(
  outcome: Outcome,
  guard: GuardState,
  spikeDeviations?: number,
): { reason?: string; guard: GuardState } {
  const { loss, velocityLoss, gradNorm } = outcome;
  if (!Number.isFinite(loss) || !Number.isFinite(gradNorm)) {
    return {
      reason: `the loss is ${loss} and its gradient's norm ${gradNorm}`,
      guard: { ...guard, skipped: guard.skipped + 1, notFiniteInARow: guard.notFiniteInARow + 1 },
    };
  }
  if (spikeDeviations === undefined) return { guard: { ...guard, notFiniteInARow: 0, recent: [] } };
  const reason = findSpike(outcome, guard.recent, spikeDeviations);
  const recent = [...guard.recent, { velocityLoss, gradNorm }].slice(-WINDOW);
  const skipped = guard.skipped + (reason === undefined ? 0 : 1);
  return { ...(reason !== undefined && { reason }), guard: { skipped, notFiniteInARow: 0, recent } };
}

function findSpike(outcome: Outcome, recent: GuardState['recent'], deviations: number): string | undefined {
  if (recent.length < LEAST) return undefined;
  for (const name of ['velocityLoss', 'gradNorm'] as const) {
    const values = recent.map((one) => one[name]);
    const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
    const variance = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / (values.length - 1);
    const above = (outcome[name] - mean) / Math.sqrt(variance);
    if (above > deviations) {
      return `${name} is ${outcome[name]}, ${above.toFixed(1)} standard deviations above the mean of the last ${values.length} steps, ${mean.toPrecision(3)}`;
    }
  }
  return undefined;
}
