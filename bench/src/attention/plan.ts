import type { AttentionBenchmark } from './benchmark.ts';
import { type Contestant, contestantsFor, NATIVE, REFERENCE } from './contestants.ts';
import { countFlops } from './flops.ts';
import { type Kind, kernelLengths, type Run, type Shape } from './workload.ts';

/** Shorter calls are repeated until a turn has taken this long. */
export const TURN_SECONDS = 0.2;

/** Of a machine that nobody has; the pace of the run corrects it, so that only proportions matter. */
const FLOPS_PER_SECOND = 130e9;
const START_SECONDS = 2;
const COMPILE_SECONDS = { tensorflow: 0.5, torch: 9 };
const PAUSE_SECONDS = 0.15;

interface Plan {
  warmUp: number;
  round: number;
}

/** The seconds that one contestant's first calls at these lengths, and each of its rounds, are expected to take. */
export function planContestant(
  { runtime, mode }: Contestant,
  kind: Kind,
  lengths: readonly number[],
  shape: Shape,
): Plan {
  const seconds = (run: Run, length: number) => countFlops(kind, run, length, shape) / FLOPS_PER_SECOND;
  const plan = { warmUp: START_SECONDS, round: PAUSE_SECONDS };
  for (const length of lengths) {
    const [forward, gradient] = [seconds('forward', length), seconds('gradient', length)];
    plan.warmUp += (mode === 'eager' ? 0 : COMPILE_SECONDS[runtime]) + 2 * (forward + gradient);
    plan.round += Math.max(TURN_SECONDS, forward) + Math.max(TURN_SECONDS, gradient);
  }
  return plan;
}

/** The same for a whole benchmark. */
export function planBenchmark({ kinds, contestants, headline, tokens, shape, rounds }: AttentionBenchmark): number {
  const lengths = kernelLengths(tokens);
  const total = ({ warmUp, round }: Plan) => warmUp + rounds * round;
  const seconds = kinds.flatMap((kind) => [
    planContestant(REFERENCE, kind, lengths, shape).warmUp,
    headline ? total(planContestant(NATIVE, kind, lengths, shape)) : 0,
    ...contestantsFor(kind, contestants).flatMap((contestant) =>
      lengths.map((length) => total(planContestant(contestant, kind, [length], shape))),
    ),
  ]);
  return seconds.reduce((sum, value) => sum + value, 0);
}
