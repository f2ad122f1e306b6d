import { setImmediate } from 'node:timers/promises';
import { compile } from '@eflow/engine';
import { createObjective, type Network, type ObjectiveSpec } from '@eflow/flow';
import { adamW, warmupCosine } from '@eflow/optim';
import { createStream, disposeTree, splitStream } from '@eflow/tensor';
import { createTrainStep, disposeState, emaParams, initState, objectiveLoss } from '@eflow/train';
import * as tf from '@tensorflow/tfjs-core';
import { drawCheckerboard } from './checkerboard.ts';
import { bindMlp, initMlp, type MlpParams } from './mlp.ts';
import { TRAINING } from './settings.ts';

/** Guidance alone would call it. */
const noWeakPath: Network = () => {
  throw new Error('toy: the network has no weak path; set guidanceScale to 1');
};

/**
 * Trains a network on the checkerboard from scratch: the same first weights, points and noise for one seed, whatever the
 * objective. `onStep` is told each step's mean square of the velocity's residual. Returns the moving average of the weights,
 * which the caller owns. Throws, leaving no tensor, if a loss or a gradient is not finite.
 */
export async function train(
  spec: ObjectiveSpec,
  { steps, seed }: { steps: number; seed: number },
  onStep: (step: number, velocityLoss: number) => void,
): Promise<MlpParams> {
  const objective = createObjective(spec);
  const { learningRate, batchSize, betas, clipNorm, emaDecay } = TRAINING;
  const warmupSteps = Math.min(TRAINING.warmupSteps, steps - 1);
  const optimizer = adamW({ learningRate: warmupCosine({ learningRate, warmupSteps, totalSteps: steps }), betas });
  const initial = initMlp(splitStream(createStream(seed), 'init'));
  const state = initState(initial);
  disposeTree(initial);
  const trainStep = createTrainStep({
    optimizer,
    clipNorm,
    emaDecay,
    seed,
    scheduleAt: (step) => objective.scheduleAt(step / steps),
    loss: (params: MlpParams, _batch: object, { stream, schedule }) => {
      const data = drawCheckerboard(splitStream(stream, 'data'), batchSize);
      const condition = tf.zeros([batchSize], 'int32');
      const batch = { data, condition, nullCondition: tf.onesLike(condition) };
      return objectiveLoss(objective, { strong: bindMlp(params), weak: noWeakPath }, batch, { stream, schedule });
    },
    compile,
  });
  try {
    while (state.step < steps) {
      const { step } = state;
      const { velocityLoss, skipped } = trainStep(state, {});
      if (skipped) {
        throw new Error(
          `${spec.kind}: at step ${step} ${skipped}; expected finite numbers: lower TRAINING.learningRate`,
        );
      }
      onStep(step, velocityLoss);
      await setImmediate(); // a training step blocks the event loop: let the progress line and signals in
    }
    return emaParams(state);
  } finally {
    disposeState(state);
  }
}

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
