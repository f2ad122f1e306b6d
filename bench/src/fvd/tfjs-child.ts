// I3D in TensorFlow.js: answers requests, one JSON line each on standard input, with one JSON line on standard output. Its
// argument is a ChildSpec.

import { join } from 'node:path';
import { readSafetensors, writeSafetensors } from '@eflow/checkpoint';
import { compile, useTensorFlow } from '@eflow/engine';
import { type I3DOutput, i3d, i3dParams } from '@eflow/fvd';
import * as tf from '@tensorflow/tfjs-core';
import { once, relativeDifference, serve, timeCalls } from '../serve.ts';
import type { ChildSpec, I3DReply, I3DRequest } from './command.ts';

const spec = JSON.parse(process.argv[2]!) as ChildSpec;
const logitsFile = join(spec.folder, 'logits.safetensors');
const { tensorflowVersion } = await useTensorFlow();

async function createContestant() {
  const { tensors } = await readSafetensors(join(spec.folder, 'inputs.safetensors'));
  const params = i3dParams(tensors);
  const { data, shape } = tensors.get('clips')! as { data: Float32Array; shape: readonly number[] };
  const clips = tf.tensor(data, [...shape]);
  const forward = spec.mode === 'eager' ? i3d : compile(i3d);
  return () => forward(params, clips);
}

const release = ({ logits, pooled }: I3DOutput) => tf.dispose([logits, pooled]);
const contestant = once(createContestant);

async function logitsNow() {
  const output = (await contestant())();
  const data = output.logits.dataSync<'float32'>();
  const { shape } = output.logits;
  release(output);
  return { data, shape };
}

await serve<I3DRequest, I3DReply>({
  async hello() {
    await contestant();
    return { version: tensorflowVersion };
  },
  async reference() {
    const { data, shape } = await logitsNow();
    await writeSafetensors(logitsFile, [['logits', { dtype: 'F32', shape, data }]]);
    return {};
  },
  async check() {
    const { tensors } = await readSafetensors(logitsFile);
    const expected = tensors.get('logits')!.data as Float32Array;
    return { difference: relativeDifference((await logitsNow()).data, expected) };
  },
  async forward({ forSeconds }) {
    return { seconds: timeCalls(await contestant(), release, forSeconds) };
  },
});
