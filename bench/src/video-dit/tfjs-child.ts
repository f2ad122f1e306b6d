// A network in TensorFlow.js: answers requests, one JSON line each on standard input, with one JSON line on standard
// output. Its argument is a ChildSpec.
import { join } from 'node:path';
import { readSafetensors, saveTree } from '@eflow/checkpoint';
import { type Compiled, compile, useTensorFlow } from '@eflow/engine';
import { createStream, disposeTree, mapTree, randomNormal, randomUniform, splitStream, type Tree } from '@eflow/tensor';
import { drawKeptTokens, initVideoDiT, tokenGrid, type VideoDiTParams, videoDiT, weakVideoDiT } from '@eflow/video-dit';
import * as tf from '@tensorflow/tfjs-core';
import { relativeDifference } from '../difference.ts';
import { serve, timeCalls } from '../serve.ts';
import { once, serveProducts } from '../tfjs-products.ts';
import type { ChildSpec, NetworkReply, NetworkRequest } from './contestants.ts';
import {
  applyGradient,
  type Batch,
  initState,
  type StepScalars,
  type StepState,
  scalarsAt,
  step,
  uploadScalars,
} from './train-step.ts';
import type { Prediction } from './workload.ts';

const spec = JSON.parse(process.argv[2]!) as ChildSpec;
const { network, clip, batchSize, keepRatio } = spec.workload;
const inputFile = join(spec.folder, 'inputs.safetensors');
const predictionFile = join(spec.folder, 'predictions.safetensors');
const { tensorflowVersion } = await useTensorFlow();
const at = (label: string) => splitStream(createStream(7), label);

/** As after some training: every leaf moved off its start, so that no gradient hides behind a zero. */
function createParams(): VideoDiTParams {
  return tf.tidy(() =>
    mapTree(initVideoDiT(at('init'), network), (leaf, name) =>
      tf.add(leaf, tf.mul(randomNormal(at(name), leaf.shape), 0.03)),
    ),
  );
}

function createBatch(): Batch {
  const shape = [batchSize, clip.numFrames, clip.height, clip.width, network.channels];
  const grid = tokenGrid(network, clip);
  return tf.tidy(() => {
    const timestep = randomUniform(at('t'), [batchSize]);
    return {
      noisy: randomNormal(at('noisy'), shape),
      timestep,
      targetTimestep: tf.mul(timestep, randomUniform(at('s'), [batchSize])),
      condition: tf.range(0, batchSize, 1, 'int32'),
      velocity: randomNormal(at('velocity'), shape),
      ...(keepRatio < 1 && { keptTokens: drawKeptTokens(at('keptTokens'), { batchSize, grid, keepRatio }) }),
    };
  });
}

/** `fn`, which is tidy itself, as this contestant runs it. */
function prepare<Args extends unknown[], Result extends Tree>(
  fn: (...args: Args) => Result,
): ((...args: Args) => Result) & Partial<Pick<Compiled<Args, Result>, 'describe'>> {
  if (spec.mode === 'eager') return fn;
  return compile(fn, { xla: spec.mode === 'xla', precision: spec.precision });
}

/** Made when first asked for, so that a child that measures products alone holds no network. */
function createContestant() {
  const params = createParams();
  const batch = createBatch();
  const predict = {
    forward: prepare((p: VideoDiTParams, b: Batch) => videoDiT(p, network, b)),
    weak: prepare((p: VideoDiTParams, b: Batch) => weakVideoDiT(p, network, b)),
  };
  const { state: initial, unravel } = initState(params);
  let state = initial;
  let count = 0;
  // As in apps/train: within the compiled step, one part that XLA compiles.
  const apply = spec.mode === 'eager' ? applyGradient : compile(applyGradient, { xla: true });
  const trainStep = prepare((s: StepState, b: Batch, scalars: StepScalars) =>
    step({ network, unravel, apply }, s, b, scalars),
  );
  const describeStep = () => {
    const scalars = uploadScalars(scalarsAt(count));
    const graph = trainStep.describe?.(state, batch, scalars);
    tf.dispose(scalars);
    return graph;
  };

  return {
    async reference() {
      await saveTree(inputFile, { params, batch });
      const predictions = { forward: predict.forward(params, batch), weak: predict.weak(params, batch) };
      await saveTree(predictionFile, predictions);
      disposeTree(predictions);
      return {};
    },
    predict: (prediction: Prediction, forSeconds?: number) => ({
      seconds: timeCalls(() => predict[prediction](params, batch), disposeTree, forSeconds),
    }),
    async check(prediction: Prediction) {
      const { tensors } = await readSafetensors(predictionFile);
      const actual = predict[prediction](params, batch);
      const difference = relativeDifference(actual.dataSync(), tensors.get(prediction)!.data as Float32Array);
      actual.dispose();
      return { difference };
    },
    step(forSeconds?: number) {
      let loss = 0;
      let gradNorm = 0;
      const call = () => {
        const numbers = scalarsAt(count++);
        const scalars = spec.mode === 'eager' ? numbers : uploadScalars(numbers);
        const next = trainStep(state, batch, scalars);
        loss = next.loss.dataSync()[0]!;
        gradNorm = next.gradNorm.dataSync()[0]!;
        tf.dispose([state, next.loss, next.gradNorm]);
        state = next.state;
        return scalars;
      };
      const isFirst = count === 0;
      const seconds = timeCalls(call, tf.dispose, forSeconds);
      return { seconds, loss, gradNorm, graph: isFirst ? describeStep() : undefined };
    },
  };
}

const contestant = once(createContestant);
await serve<NetworkRequest, NetworkReply>({
  hello: () => {
    contestant();
    return { version: tensorflowVersion };
  },
  reference: () => contestant().reference(),
  forward: ({ forSeconds }) => contestant().predict('forward', forSeconds),
  weak: ({ forSeconds }) => contestant().predict('weak', forSeconds),
  'check-forward': () => contestant().check('forward'),
  'check-weak': () => contestant().check('weak'),
  step: ({ forSeconds }) => contestant().step(forSeconds),
  ...serveProducts(spec.productSize),
});
