// An attention kernel in TensorFlow.js: answers requests, one JSON line each on standard input, with one JSON line on
// standard output. Its argument is a ChildSpec.

import { join } from 'node:path';
import { attention } from '@eflow/attention';
import { readSafetensors, saveTree } from '@eflow/checkpoint';
import { compile, useTensorFlow } from '@eflow/engine';
import { createStream, disposeTree, NATIVE_KERNEL, randomNormal, splitStream, treeEntries } from '@eflow/tensor';
import * as tf from '@tensorflow/tfjs-core';
import { relativeDifference, serve, serveProducts, timeCalls } from '../serve.ts';
import type { AttentionReply, AttentionRequest, ChildSpec } from './contestants.ts';
import { createSpec, KINDS, learnedInputs, type Run } from './workload.ts';

type Inputs = Record<'q' | 'k' | 'v' | 'dy', tf.Tensor> & Record<string, tf.Tensor>;
type Result = { output: tf.Tensor; grads: Record<string, tf.Tensor> };

const WARM_UP_TOKENS = 8;

const spec = JSON.parse(process.argv[2]!) as ChildSpec;
const { tensorflowVersion } = await useTensorFlow();
const attentionSpec = createSpec(spec.kind, spec.shape);
const names = ['q', 'k', 'v', ...learnedInputs(spec.kind, 1, spec.shape).map(({ name }) => name)];
const loaded = new Map<number, Inputs>();

const forward = (inputs: Inputs) => tf.tidy<Result>(() => ({ output: attention(attentionSpec, inputs), grads: {} }));

const gradient = ({ dy, ...inputs }: Inputs) =>
  tf.tidy<Result>(() => {
    const run = (...at: tf.Tensor[]) =>
      attention(attentionSpec, { ...inputs, ...Object.fromEntries(names.map((name, i) => [name, at[i]!])) });
    const { value, grads } = tf.valueAndGrads(run)(
      names.map((name) => inputs[name]!),
      dy,
    );
    return { output: value, grads: Object.fromEntries(names.map((name, i) => [name, grads[i]!])) };
  });

const runs: Record<Run, (inputs: Inputs) => Result> =
  spec.mode === 'eager' ? { forward, gradient } : { forward: compile(forward), gradient: compile(gradient) };

function drawInputs(length: number): Inputs {
  const { batchSize, numHeads, headDim } = spec.shape;
  const draw = (label: string, shape: number[]) =>
    randomNormal(splitStream(createStream(7), `${label}-${length}`), shape);
  return tf.tidy(() => {
    const tokens = (label: string) => draw(label, [batchSize, numHeads, length, headDim]);
    const inputs = { q: tokens('q'), k: tokens('k'), v: tokens('v'), dy: tokens('dy') };
    // What any kind learns: one file has the inputs of a length.
    const learned = KINDS.flatMap((kind) => learnedInputs(kind, length, spec.shape)).map(({ name, form, shape }) => {
      const x = draw(name, shape);
      return [name, form === 'gate' ? tf.sigmoid(x) : tf.div(x, Math.sqrt(headDim))];
    });
    return { ...inputs, ...Object.fromEntries(learned) };
  });
}

const inputFile = (length: number) => join(spec.folder, `inputs-${length}.safetensors`);
const resultFile = (length: number) => join(spec.folder, `${spec.kind}-${length}.safetensors`);

/** Brings libraries and threads in, so that they are in no first call and no kernel's memory. */
function greet(): AttentionReply {
  const few = drawInputs(WARM_UP_TOKENS);
  for (const run of [runs.forward, runs.gradient]) disposeTree(run(few));
  disposeTree(few);
  return { version: tensorflowVersion };
}

async function writeReference(length: number): Promise<AttentionReply> {
  const inputs = drawInputs(length);
  await saveTree(inputFile(length), inputs);
  const result = runs.gradient(inputs);
  await saveTree(resultFile(length), result);
  disposeTree({ ...inputs, ...result });
  return {};
}

/** The inputs that the reference has: drawn again, and not read, so that they leave nothing else in memory. */
function load(length: number): AttentionReply {
  loaded.set(length, drawInputs(length));
  return {};
}

const time = (run: Run, { length, forSeconds }: AttentionRequest): AttentionReply => ({
  seconds: timeCalls(() => runs[run](loaded.get(length!)!), disposeTree, forSeconds),
});

async function check(length: number): Promise<AttentionReply> {
  const inputs = loaded.get(length)!;
  const { tensors } = await readSafetensors(resultFile(length));
  const compare = (run: Run) => {
    const result = runs[run](inputs);
    const differences = treeEntries(result).map(([name, actual]) =>
      relativeDifference(actual.dataSync(), tensors.get(name)!.data as Float32Array),
    );
    disposeTree(result);
    return Math.max(...differences);
  };
  const difference = { forward: compare('forward'), gradient: compare('gradient') };
  return { difference, native: spec.native && (await runsNatively(inputs)) };
}

/** Whether the kernel that runs on these inputs is, in part at least, native. */
async function runsNatively(inputs: Inputs): Promise<boolean> {
  const { kernelNames } = await tf.profile(() => {
    disposeTree(forward(inputs));
    return [];
  });
  return kernelNames.includes(NATIVE_KERNEL);
}

/** What `handle` gives, after which what it left to the garbage collector is gone from memory. */
const collected = async (handle: Promise<AttentionReply>): Promise<AttentionReply> => {
  const reply = await handle;
  globalThis.gc!();
  return reply;
};

await serve<AttentionRequest, AttentionReply>({
  hello: greet,
  reference: ({ length }) => collected(writeReference(length!)),
  load: ({ length }) => load(length!),
  'first-forward': (request) => time('forward', request),
  'first-gradient': (request) => time('gradient', request),
  check: ({ length }) => collected(check(length!)),
  forward: (request) => time('forward', request),
  gradient: (request) => time('gradient', request),
  ...serveProducts(spec.productSize),
});
