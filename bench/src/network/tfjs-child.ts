// A network in TensorFlow.js: answers requests, one JSON line each on standard input, with one JSON line on standard
// output. Its argument is a ChildSpec.

import { join } from 'node:path';
import { readSafetensors, saveTree } from '@eflow/checkpoint';
import { compile, type GraphDescription, useTensorFlow } from '@eflow/engine';
import { adamW } from '@eflow/optim';
import {
  type Compile,
  createStream,
  disposeTree,
  mapTree,
  randomNormal,
  randomUniform,
  splitStream,
} from '@eflow/tensor';
import { createTrainStep, initState } from '@eflow/train';
import { drawKeptTokens, initVideoDiT, tokenGrid, type VideoDiTParams, videoDiT, weakVideoDiT } from '@eflow/video-dit';
import * as tf from '@tensorflow/tfjs-core';
import { once, relativeDifference, serve, serveProducts, timeCalls } from '../serve.ts';
import type { ChildSpec, NetworkReply, NetworkRequest } from './contestants.ts';
import type { Prediction } from './workload.ts';

const spec = JSON.parse(process.argv[2]!) as ChildSpec;
const { network, clip, batchSize, keepRatio } = spec.workload;
const inputFile = join(spec.folder, 'inputs.safetensors');
const predictionFile = join(spec.folder, 'predictions.safetensors');
const { tensorflowVersion } = await useTensorFlow();

type Batch = {
  /** x_t, [B, F, H, W, C]. */
  noisy: tf.Tensor;
  /** t and s, [B]. */
  timestep: tf.Tensor;
  targetTimestep: tf.Tensor;
  /** [B] int32. */
  condition: { labels: tf.Tensor };
  /** What the network should say, like `noisy`. */
  velocity: tf.Tensor;
  /** Tokens that the middle sees, [B, K] int32; absent: all. */
  keptTokens?: tf.Tensor;
};

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
    const batch: Batch = {
      noisy: randomNormal(at('noisy'), shape),
      timestep,
      targetTimestep: tf.mul(timestep, randomUniform(at('s'), [batchSize])),
      condition: { labels: tf.range(0, batchSize, 1, 'int32') },
      velocity: randomNormal(at('velocity'), shape),
    };
    if (keepRatio < 1) batch.keptTokens = drawKeptTokens(at('keptTokens'), { batchSize, grid, keepRatio });
    return batch;
  });
}

/** How this contestant makes a faster function of one that is tidy itself; absent: not at all. */
const compileHere: Compile | undefined =
  spec.mode === 'eager'
    ? undefined
    : (fn, hints) => {
        const compiled = compile(fn, { xla: spec.mode === 'xla', precision: spec.precision, ...hints });
        if (hints?.name !== 'train step') return compiled;
        return (...args) => {
          stepGraph ??= compiled.describe(...args);
          return compiled(...args);
        };
      };
/** The graph of the training step, once it is compiled. */
let stepGraph: GraphDescription | undefined;

/** Made when first asked for, so that a child that measures products alone holds no network. */
function createContestant() {
  const params = createParams();
  const batch = createBatch();
  const prepare = (fn: (p: VideoDiTParams, b: Batch) => tf.Tensor) => compileHere?.(fn) ?? fn;
  const predict = {
    forward: prepare((p, b) => videoDiT(p, network, b)),
    weak: prepare((p, b) => weakVideoDiT(p, network, b)),
  };
  const optimizer = adamW({ learningRate: 1e-4, betas: [0.9, 0.99] });
  const state = initState(params);
  // As in apps/train, but with a plain loss: the mean squared error of the velocity.
  const trainStep = createTrainStep({
    optimizer,
    loss: (p: VideoDiTParams, b: Batch) => ({
      loss: tf.mean<tf.Scalar>(tf.squaredDifference(videoDiT(p, network, b), b.velocity)),
    }),
    compile: compileHere,
  });

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
      const isFirst = state.step === 0;
      let losses = { loss: 0, gradNorm: 0 };
      const call = () => {
        losses = trainStep(state, batch);
      };
      const seconds = timeCalls(call, () => {}, forSeconds);
      return { seconds, ...losses, graph: isFirst ? stepGraph : undefined };
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
