import type { StepBenchmark } from './benchmark.ts';
import type { Contestant } from './contestants.ts';
import { countForwardFlops, STEP_FLOPS_PER_FORWARD_FLOP } from './flops.ts';
import type { Workload } from './workload.ts';

/** Shorter calls are repeated until a turn has taken this long. */
export const TURN_SECONDS = 0.5;

/** Of a machine that nobody has; the pace of the run corrects it, so that only proportions matter. */
const FLOPS_PER_SECOND = 100e9;
const START_SECONDS = 4;
const COMPILE_SECONDS = { tensorflow: 4, torch: 60 };

/** The seconds that one contestant's first calls, and each of its rounds, are expected to take. */
export function planContestant(
  { network, batchSize }: Workload,
  { runtime, mode }: Contestant,
): { warmUp: number; round: number } {
  const forward = countForwardFlops(network, batchSize) / FLOPS_PER_SECOND;
  const step = STEP_FLOPS_PER_FORWARD_FLOP * forward;
  const compile = mode === 'eager' ? 0 : COMPILE_SECONDS[runtime];
  return {
    warmUp: START_SECONDS + compile + 2 * forward + step,
    round: Math.max(TURN_SECONDS, forward) + Math.max(TURN_SECONDS, step),
  };
}

/** The same for a whole benchmark. */
export const planBenchmark = ({ workloads, contestants, rounds }: StepBenchmark): number =>
  workloads
    .flatMap((workload) => contestants.map((contestant) => planContestant(workload, contestant)))
    .reduce((sum, { warmUp, round }) => sum + warmUp + rounds * round, 0);
