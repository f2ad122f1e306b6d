// A TensorFlow.js contestant: answers requests, one JSON line each on standard input, with one JSON line on standard
// output. Its argument is a ChildSpec.
import { readSafetensors, saveTree } from '@eflow/checkpoint';
import { type Compiled, compile, useTensorFlow } from '@eflow/engine';
import { createStream, disposeTree, mapTree, randomNormal, randomUniform, splitStream, type Tree } from '@eflow/tensor';
import { initVideoDiT, type VideoDiTParams, videoDiT } from '@eflow/video-dit';
import * as tf from '@tensorflow/tfjs-core';
import { relativeDifference } from '../difference.ts';
import { serve, timeCalls } from '../serve.ts';
import { once, serveProducts } from '../tfjs-products.ts';
import type { ChildSpec, StepReply, StepRequest } from './contestants.ts';
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

const spec = JSON.parse(process.argv[2]!) as ChildSpec;
const { network, batchSize, productSize } = spec;
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
  const shape = [batchSize, network.numFrames, network.height, network.width, network.channels];
  return tf.tidy(() => {
    const timestep = randomUniform(at('t'), [batchSize]);
    return {
      noisy: randomNormal(at('noisy'), shape),
      timestep,
      targetTimestep: tf.mul(timestep, randomUniform(at('s'), [batchSize])),
      condition: tf.range(0, batchSize, 1, 'int32'),
      velocity: randomNormal(at('velocity'), shape),
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
  const forward = prepare((p: VideoDiTParams, b: Batch) => videoDiT(p, network, b));
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
      const prediction = videoDiT(params, network, batch);
      await saveTree(spec.reference, { params, batch, prediction });
      prediction.dispose();
      return {};
    },
    forward: (forSeconds?: number) => ({
      seconds: timeCalls(() => forward(params, batch), disposeTree, forSeconds),
    }),
    async check() {
      const { tensors } = await readSafetensors(spec.reference);
      const prediction = forward(params, batch);
      const difference = relativeDifference(prediction.dataSync(), tensors.get('prediction')!.data as Float32Array);
      prediction.dispose();
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
await serve<StepRequest, StepReply>({
  hello: () => ({ version: tensorflowVersion }),
  reference: () => contestant().reference(),
  forward: ({ forSeconds }) => contestant().forward(forSeconds),
  check: () => contestant().check(),
  step: ({ forSeconds }) => contestant().step(forSeconds),
  ...serveProducts(productSize),
});
