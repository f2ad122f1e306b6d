import { setImmediate } from 'node:timers/promises';
import { createMovingDigits, makeBatch, normalizePixels } from '@eflow/data';
import { compile } from '@eflow/engine';
import { interpolate, sampleLogitNormal } from '@eflow/flow';
import { adamW, clipByGlobalNorm, uploadCoefficients, warmupConstant } from '@eflow/optim';
import {
  createStream,
  disposeTree,
  type RandomStream,
  randomNormal,
  ravel,
  splitStream,
  uploadStream,
  valueAndGrad,
} from '@eflow/tensor';
import { drawKeptTokens, initVideoDiT, tokenGrid, videoDiT } from '@eflow/video-dit';
import * as tf from '@tensorflow/tfjs-core';
import { CLIPS, type Kind, networkFor, type Settings, TRAINING } from './settings.ts';

/** What training saw, step by step. */
export interface Trace {
  losses: number[];
  /** Before clipping. */
  gradNorms: number[];
}

/**
 * Trains one network from scratch on the velocity alone, `rate` of the middle's tokens dropped: same seed, same clips, noise
 * and first weights whatever the kind. A step whose loss or gradient is not finite changes no weight.
 */
export async function trainCell(
  kind: Kind,
  rate: number,
  { steps, batchSize, learningRate, seed }: Settings,
  onStep: (step: number, loss: number) => void,
): Promise<Trace> {
  const network = networkFor(kind);
  const grid = tokenGrid(network, CLIPS);
  const optimizer = adamW({
    learningRate: warmupConstant({ learningRate, warmupSteps: Math.min(TRAINING.warmupSteps, steps) }),
    betas: TRAINING.betas,
  });
  const initial = initVideoDiT(splitStream(createStream(seed), 'init'), network);
  const { vector, unravel } = ravel(initial);
  disposeTree(initial);
  let weights = { params: vector, moments: optimizer.init(vector) };

  type Batch = { data: tf.Tensor; condition: tf.Tensor };
  type Coefficients = ReturnType<typeof uploadCoefficients>;
  const update = (stream: RandomStream, coefficients: Coefficients, at: typeof weights, { data, condition }: Batch) =>
    tf.tidy(() => {
      const noise = randomNormal(splitStream(stream, 'noise'), data.shape);
      const timestep = sampleLogitNormal(splitStream(stream, 'timestep'), batchSize, TRAINING.velocityTime);
      const noisy = interpolate(data, noise, timestep);
      const keptTokens =
        rate > 0 ? drawKeptTokens(splitStream(stream, 'kept'), { batchSize, grid, keepRatio: 1 - rate }) : undefined;
      const params = unravel(at.params);
      const { values, grads } = valueAndGrad(() => {
        const predicted = videoDiT(params, network, {
          noisy,
          timestep,
          targetTimestep: timestep,
          condition,
          keptTokens,
        });
        return { loss: tf.mean(tf.square(tf.sub(predicted, tf.sub(noise, data)))) as tf.Scalar };
      }, params);
      const clipped = clipByGlobalNorm(ravel(grads).vector, TRAINING.clipNorm);
      disposeTree(grads);
      const updated = optimizer.update(clipped.grads, at.moments, at.params, coefficients);
      return { loss: values.loss, gradNorm: clipped.norm, weights: { params: updated.params, moments: updated.state } };
    });
  const compiled = compile(update, { name: `step of ${kind}`, captures: 'refuse' });

  const dataset = createMovingDigits({ ...CLIPS, split: 'train', seed });
  const trace: Trace = { losses: [], gradNorms: [] };
  for (let step = 0; step < steps; step++) {
    const { pixels, labels } = makeBatch(dataset, batchSize, step);
    const stream = splitStream(splitStream(createStream(seed), 'train'), step);
    const result = tf.tidy(() =>
      compiled(uploadStream(stream), uploadCoefficients(optimizer.coefficients(step)), weights, {
        data: tf.tensor(normalizePixels(pixels), [batchSize, CLIPS.numFrames, CLIPS.height, CLIPS.width, 1]),
        condition: tf.tensor1d(labels, 'int32'),
      }),
    );
    const [loss, gradNorm] = [result.loss, result.gradNorm].map((scalar) => scalar.dataSync()[0]!) as [number, number];
    trace.losses.push(loss);
    trace.gradNorms.push(gradNorm);
    const isSound = Number.isFinite(loss) && Number.isFinite(gradNorm);
    disposeTree([result.loss, result.gradNorm, isSound ? weights : result.weights]);
    if (isSound) weights = result.weights;
    onStep(step, loss);
    await setImmediate(); // a training step blocks the event loop: let the progress line and signals in
  }
  disposeTree(weights);
  compiled.dispose();
  return trace;
}
