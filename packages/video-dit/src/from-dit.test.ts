import { fileURLToPath } from 'node:url';
import { readSafetensors } from '@eflow/checkpoint';
import { createStream, disposeTree, type StateDict } from '@eflow/tensor';
import { expectClose } from '@eflow/testing';
import * as tf from '@tensorflow/tfjs-core';
import { describe, expect, it } from 'vitest';
import type { VideoDiTConfig } from './config.ts';
import { initFromDiT } from './from-dit.ts';
import { videoDiT } from './video-dit.ts';

const stream = createStream(1);

/** What reference/dit_fixtures.py wrote: weights by PyTorch's names, and a prediction that was made with them. */
async function readFixture(name: 'dit' | 'soflow') {
  const file = fileURLToPath(new URL(`../fixtures/${name}.safetensors`, import.meta.url));
  const { tensors, metadata } = await readSafetensors(file);
  const config = JSON.parse(metadata.config!) as VideoDiTConfig;
  const isCase = ([key]: [string, unknown]) => key.startsWith('case.');
  const state: StateDict = new Map([...tensors].filter((entry) => !isCase(entry)));
  const part = (key: string) => tensors.get(`case.${key}`)! as { data: Float32Array; shape: readonly number[] };
  /** [B, C, H, W] -> clips of one frame. */
  const clips = (key: string) =>
    tf.tidy(() => tf.expandDims(tf.transpose(tf.tensor(part(key).data, [...part(key).shape]), [0, 2, 3, 1]), 1));
  const input = () => ({
    noisy: clips('noisy'),
    timestep: tf.tensor1d(part('timestep').data),
    targetTimestep: tf.tensor1d(part('targetTimestep').data),
    condition: { labels: tf.tensor1d(part('condition').data, 'int32') },
  });
  return { config, state, input, prediction: () => clips('prediction') };
}

const dit = await readFixture('dit');
const soflow = await readFixture('soflow');

const changed = (state: StateDict, changes: Record<string, { shape: number[]; data: Float32Array } | undefined>) => {
  const map = new Map(state);
  for (const [name, x] of Object.entries(changes)) x ? map.set(name, x) : map.delete(name);
  return map;
};
const zeros = (...shape: number[]) => ({ shape, data: new Float32Array(shape.reduce((a, b) => a * b)) });
/** The layers that parameters belong to. */
const layers = (names: string[]) => [
  ...new Set(names.map((name) => name.replace(/\.\d+\./, '.').replace(/\.(weight|bias)$/, ''))),
];

describe('initFromDiT', () => {
  it.each([
    ['DiT', dit],
    ['SoFlow', soflow],
  ])("predicts what PyTorch predicts with a %s's weights", (_, { config, state, input, prediction }) => {
    const before = tf.memory().numTensors;
    const { params } = initFromDiT(stream, config, state);
    const x = input();
    const [actual, expected] = [videoDiT(params, config, x), prediction()];
    expectClose(actual, expected, { rtol: 0, atol: 1e-5 * Math.max(...expected.dataSync().map(Math.abs)) });
    disposeTree([params, { ...x }, actual, expected]);
    expect(tf.memory().numTensors).toBe(before);
  });

  it('leaves the guidance scale aside at the start where it is an input', () => {
    const config = { ...dit.config, guidanceInput: true };
    const { params, fresh } = initFromDiT(stream, config, dit.state);
    expect(layers(fresh)).toEqual(expect.arrayContaining(['guidanceEmbedder.fc1', 'guidanceEmbedder.fc2']));
    const [x, expected] = [dit.input(), dit.prediction()];
    const actual = videoDiT(params, config, { ...x, guidanceScale: tf.linspace(1, 4, x.timestep.size) });
    expectClose(actual, expected, { rtol: 0, atol: 1e-5 * Math.max(...expected.dataSync().map(Math.abs)) });
    disposeTree([params, { ...x }, actual, expected]);
  });

  it('tells what the weights do not have, and what there is no place for', () => {
    const ofDiT = initFromDiT(stream, dit.config, dit.state);
    const interval = ['intervalEmbedder.fc1', 'intervalEmbedder.fc2'];
    expect(layers(ofDiT.fresh)).toEqual(['positionEmbed', ...interval, 'skips', 'fusion', 'maskToken']);
    expect(ofDiT.unused).toEqual(['pos_embed']);
    const ofSoFlow = initFromDiT(stream, soflow.config, changed(soflow.state, { step: zeros(1) }));
    expect(layers(ofSoFlow.fresh)).toEqual(['positionEmbed', 'skips', 'fusion', 'maskToken']);
    expect(ofSoFlow.unused).toEqual(['pos_embed', 'step']);
    disposeTree([ofDiT.params, ofSoFlow.params]);
  });

  it('starts anew with the labels of other classes, with a gate and with the norms of q and k', () => {
    const config: VideoDiTConfig = {
      ...dit.config,
      numClasses: 7,
      attention: { kind: 'glga', windowSize: 3, featureMap: 'relu' },
    };
    const names = [...dit.state.keys()].filter((name) => /[qk]_norm/.test(name));
    const state = changed(dit.state, Object.fromEntries(names.map((name) => [name, undefined])));
    const { params, fresh } = initFromDiT(stream, config, state);
    expect(fresh).toEqual(expect.arrayContaining(['labelEmbedder.table', 'encoderBlocks.0.attn.gate.weight']));
    expect(fresh).toContain('middleBlocks.1.attn.qNorm.weight');
    expect(params.labelEmbedder!.table.shape).toEqual([8, 12]);
    disposeTree(params);
  });

  it.each<[what: string, change: Partial<VideoDiTConfig>, state: StateDict, message: RegExp]>([
    ['patches of two frames', { patchSize: [2, 2, 3] }, dit.state, /patchSize is \[2, 2, 3\].*\[1, 2, 3\]/],
    ['the data as a prediction', { predicts: 'data' }, dit.state, /predicts is 'data', and a DiT predicts noise/],
    ['SwiGLU', { mlp: 'swiglu' }, dit.state, /'swiglu'.*'gelu'/],
    ['another depth', { depth: [1, 3, 1] }, dit.state, /depth \[1, 3, 1\] is 5 blocks.*of 4.*sum is 4/],
    [
      'patches of another shape and as many pixels',
      { patchSize: [1, 3, 2] },
      dit.state,
      /'x_embedder.proj.weight' is \[12, 2, 2, 3\], and \[12, 2, 3, 2\] would fit/,
    ],
    [
      'another width',
      { hiddenSize: 24 },
      dit.state,
      /'x_embedder.proj.weight' is .* and \d+ more.*Set channels, patchSize/,
    ],
    [
      'a tensor that is missing',
      {},
      changed(dit.state, { 'blocks.2.attn.qkv.bias': undefined }),
      /it lacks 'blocks.2.attn.qkv.bias'/,
    ],
    ['no DiT', {}, new Map([['conv.weight', zeros(3)]]), /no tensor is named 'x_embedder.proj.weight'.*conv.weight/],
  ])('refuses %s', (_, change, state, message) => {
    const before = tf.memory().numTensors;
    expect(() => initFromDiT(stream, { ...dit.config, ...change }, state)).toThrow(message);
    expect(tf.memory().numTensors).toBe(before);
  });
});
