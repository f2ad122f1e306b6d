import { setImmediate } from 'node:timers/promises';
import { compile } from '@eflow/engine';
import { createObjective, type Network, type ObjectiveSchedule, type ObjectiveSpec } from '@eflow/flow';
import { adamW, clipByGlobalNorm, emaDecay, updateEma, uploadCoefficients, warmupCosine } from '@eflow/optim';
import {
  createStream,
  disposeTree,
  type RandomStream,
  ravel,
  splitStream,
  uploadStream,
  valueAndGrad,
} from '@eflow/tensor';
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
  const { learningRate, batchSize, betas, clipNorm } = TRAINING;
  const warmupSteps = Math.min(TRAINING.warmupSteps, steps - 1);
  const optimizer = adamW({ learningRate: warmupCosine({ learningRate, warmupSteps, totalSteps: steps }), betas });
  const initial = initMlp(splitStream(createStream(seed), 'init'));
  const { vector, unravel } = ravel(initial);
  disposeTree(initial);
  let weights = { params: vector, ema: tf.clone(vector), moments: optimizer.init(vector) };

  type Coefficients = ReturnType<typeof uploadCoefficients>;
  const update = (
    stream: RandomStream,
    schedule: ObjectiveSchedule,
    coefficients: Coefficients,
    decay: tf.Scalar,
    at: typeof weights,
  ) =>
    tf.tidy(() => {
      const data = drawCheckerboard(splitStream(stream, 'data'), batchSize);
      const draws = objective.draw(splitStream(stream, 'draws'), data.shape, schedule);
      const condition = tf.zeros([batchSize], 'int32');
      const batch = { data, condition, nullCondition: tf.onesLike(condition) };
      const params = unravel(at.params);
      const { values, grads } = valueAndGrad(() => {
        const { loss, terms } = objective.loss({ strong: bindMlp(params), weak: noWeakPath }, batch, draws, schedule);
        return { loss, velocityLoss: terms.velocityLoss };
      }, params);
      const clipped = clipByGlobalNorm(ravel(grads).vector, clipNorm);
      disposeTree(grads);
      const { params: next, state: moments } = optimizer.update(clipped.grads, at.moments, at.params, coefficients);
      return {
        watched: { ...values, gradNorm: clipped.norm },
        weights: { params: next, ema: updateEma(at.ema, next, decay), moments },
      };
    });
  const compiled = compile(update, { name: `step of ${spec.kind}`, captures: 'refuse' });

  try {
    for (let step = 0; step < steps; step++) {
      const stream = splitStream(splitStream(createStream(seed), 'train'), step);
      const { intervalRatio, guidanceScale } = objective.scheduleAt(step / steps);
      const result = tf.tidy(() =>
        compiled(
          uploadStream(stream),
          { intervalRatio: tf.scalar(intervalRatio), guidanceScale },
          uploadCoefficients(optimizer.coefficients(step)),
          tf.scalar(emaDecay(step, { decay: TRAINING.emaDecay })),
          weights,
        ),
      );
      disposeTree(weights);
      weights = result.weights;
      const { loss, gradNorm, velocityLoss } = result.watched;
      const [lossNow, gradNormNow, velocityLossNow] = [loss, gradNorm, velocityLoss].map((s) => s.dataSync()[0]!);
      disposeTree(result.watched);
      if (!Number.isFinite(lossNow) || !Number.isFinite(gradNormNow)) {
        throw new Error(
          `${spec.kind}: at step ${step} the loss is ${lossNow} and its gradient's norm ${gradNormNow}; expected finite numbers: lower TRAINING.learningRate`,
        );
      }
      onStep(step, velocityLossNow!);
      await setImmediate(); // a training step blocks the event loop: let the progress line and signals in
    }
    return unravel(weights.ema);
  } finally {
    disposeTree(weights);
    compiled.dispose();
  }
}
