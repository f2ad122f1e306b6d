// A TensorFlow.js contestant: answers requests, one JSON line each on standard input, with one JSON line on standard
// output. Its argument is a ChildSpec.
import { createInterface } from 'node:readline';
import { readSafetensors, saveTree } from '@eflow/checkpoint';
import { type Compiled, compile, useTensorFlow } from '@eflow/engine';
import { createStream, mapTree, randomNormal, randomUniform, splitStream, type Tree } from '@eflow/tensor';
import { initVideoDiT, type VideoDiTParams, videoDiT } from '@eflow/video-dit';
import * as tf from '@tensorflow/tfjs-core';
import type { Reply, Request } from './child.ts';
import type { ChildSpec, Precision } from './contestants.ts';
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

  return {
    async reference() {
      const prediction = videoDiT(params, network, batch);
      await saveTree(spec.reference, { params, batch, prediction });
      prediction.dispose();
      return {};
    },
    forward() {
      const start = performance.now();
      const prediction = forward(params, batch);
      const seconds = (performance.now() - start) / 1000;
      prediction.dispose();
      return { seconds };
    },
    async check() {
      const { tensors } = await readSafetensors(spec.reference);
      const prediction = forward(params, batch);
      const difference = relativeDifference(prediction.dataSync(), tensors.get('prediction')!.data as Float32Array);
      prediction.dispose();
      return { difference };
    },
    step() {
      const start = performance.now();
      const numbers = scalarsAt(count);
      const scalars = spec.mode === 'eager' ? numbers : uploadScalars(numbers);
      const next = trainStep(state, batch, scalars);
      const loss = next.loss.dataSync()[0]!;
      const gradNorm = next.gradNorm.dataSync()[0]!;
      tf.dispose([state, next.loss, next.gradNorm]);
      const seconds = (performance.now() - start) / 1000;
      state = next.state;
      const graph = count++ === 0 ? trainStep.describe?.(state, batch, scalars) : undefined;
      tf.dispose(scalars);
      return { seconds, loss, gradNorm, graph };
    },
  };
}

function relativeDifference(actual: ArrayLike<number>, expected: ArrayLike<number>): number {
  let largest = 0;
  let scale = 0;
  for (let i = 0; i < expected.length; i++) {
    largest = Math.max(largest, Math.abs(actual[i]! - expected[i]!));
    scale = Math.max(scale, Math.abs(expected[i]!));
  }
  return largest / scale;
}

/** A square product, ready to be timed. tfjs has no bfloat16 of its own: there the conversion of both factors counts too. */
function createProduct(precision: Precision) {
  const [a, b] = ['a', 'b'].map((label) => randomNormal(at(label), [productSize, productSize])) as [
    tf.Tensor,
    tf.Tensor,
  ];
  const product = (x: tf.Tensor, y: tf.Tensor) => tf.matMul(x, y);
  const multiply = precision === 'bf16' ? compile(product, { precision }) : product;
  return () => {
    const start = performance.now();
    const result = multiply(a, b);
    const seconds = (performance.now() - start) / 1000;
    result.dispose();
    return { seconds };
  };
}

/** `create`, called once. */
function once<T>(create: () => T): () => T {
  let made: { value: T } | undefined;
  return () => {
    made ??= { value: create() };
    return made.value;
  };
}

const contestant = once(createContestant);
const products = { float32: once(() => createProduct('float32')), bf16: once(() => createProduct('bf16')) };
const handlers: Record<Request['run'], () => Reply | Promise<Reply>> = {
  hello: () => ({ version: tensorflowVersion }),
  reference: () => contestant().reference(),
  forward: () => contestant().forward(),
  check: () => contestant().check(),
  step: () => contestant().step(),
  'gemm-float32': () => products.float32()(),
  'gemm-bf16': () => products.bf16()(),
};

for await (const line of createInterface({ input: process.stdin })) {
  const { run } = JSON.parse(line) as Request;
  const reply = await Promise.resolve()
    .then(handlers[run])
    .catch((error: Error) => ({ error: error.message }));
  process.stdout.write(`${JSON.stringify(reply)}\n`);
}
