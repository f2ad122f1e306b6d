import type { ObjectiveSpec } from '@eflow/flow';
import { disposeTree } from '@eflow/tensor';
import { train } from './train.ts';

const TIMED = 400;

/**
 * How many training steps fit into `seconds`, by a short training, which is thrown away. The quarter that is fastest sets the
 * time of one: compiling, and what else the machine does, lengthens others, and would cost one objective more than the next.
 */
export async function countStepsWithin(seconds: number, spec: ObjectiveSpec, seed: number): Promise<number> {
  const ends: number[] = [];
  disposeTree(await train(spec, { steps: TIMED, seed }, () => ends.push(performance.now())));
  const stepsMs = ends.slice(1).map((end, i) => end - ends[i]!);
  const stepMs = stepsMs.sort((a, b) => a - b)[Math.floor(stepsMs.length / 4)]!;
  return Math.max(1, Math.round((1000 * seconds) / stepMs));
}
