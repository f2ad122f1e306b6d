import type { VideoDiTBenchmark } from './benchmark.ts';
import type { Entrant } from './contestants.ts';
import { SETTLE_SECONDS } from './warm-up.ts';
import { countFlops, type Workload } from './workload.ts';

/** Shorter calls are repeated until a turn has taken this long. */
export const TURN_SECONDS = 0.5;

/** Of a machine that nobody has; the pace of the run corrects it, so that only proportions matter. */
const FLOPS_PER_SECOND = 150e9;
const START_SECONDS = 4;
/** Of one run. */
const COMPILE_SECONDS = { tensorflow: 2, torch: 25 };

/** The seconds that one entrant's first calls, and each of its rounds, are expected to take. */
export function planEntrant({ contestant, workload, runs }: Entrant): { warmUp: number; round: number } {
  const flops = countFlops(workload);
  const compile = contestant.mode === 'eager' ? 0 : COMPILE_SECONDS[contestant.runtime];
  const plan = { warmUp: START_SECONDS, round: 0 };
  for (const run of runs) {
    const seconds = flops[run] / FLOPS_PER_SECOND;
    plan.warmUp += compile + (run === 'step' ? seconds + Math.max(SETTLE_SECONDS, seconds) : 2 * seconds);
    plan.round += Math.max(TURN_SECONDS, seconds);
  }
  return plan;
}

/** The same of what to compare with. */
export function planReference(workload: Workload): number {
  const { forward, weak } = countFlops(workload);
  return START_SECONDS + (forward + weak) / FLOPS_PER_SECOND;
}

/** Workloads that something is compared with, or that PyTorch reads from a file. */
export const listReferences = (entrants: readonly Entrant[]): Workload[] => [
  ...new Set(
    entrants.flatMap(({ contestant, workload, runs }) =>
      contestant.runtime === 'torch' || runs.some((run) => run !== 'step') ? [workload] : [],
    ),
  ),
];

/** The seconds of a whole benchmark. */
export function planBenchmark({ groups, rounds }: VideoDiTBenchmark): number {
  const seconds = groups.flatMap(({ entrants }) => [
    ...listReferences(entrants).map(planReference),
    ...entrants.map((entrant) => {
      const { warmUp, round } = planEntrant(entrant);
      return warmUp + rounds * round;
    }),
  ]);
  return seconds.reduce((sum, value) => sum + value, 0);
}
