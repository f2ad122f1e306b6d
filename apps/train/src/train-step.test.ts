import { createHash } from 'node:crypto';
import { makeBatch } from '@eflow/data';
import { useTensorFlow } from '@eflow/engine';
import { loadConfig, openClips, videoDiTConfig } from '@eflow/run';
import { disposeTree, treeLeaves } from '@eflow/tensor';
import { createVideoDiTStep } from '@eflow/train';
import type { VideoDiTConfig } from '@eflow/video-dit';
import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, expect, it } from 'vitest';
import { newState, type RunState } from './state.ts';
import { TINY } from './tiny.ts';
import { createRunStep, upload } from './train-step.ts';

beforeAll(async () => void (await useTensorFlow()));

function digest({ weights }: RunState): string {
  const hash = createHash('sha256');
  for (const leaf of treeLeaves(weights)) hash.update(leaf.dataSync() as Float32Array);
  return hash.digest('hex');
}

it.each([
  ['compiled', false],
  ['op by op', true],
])('leaves out the update of a batch that holds NaN, changes no weight, and goes on: %s', (_, eager) => {
  const config = loadConfig('digits-tiny', TINY);
  const network = videoDiTConfig(config);
  const state = newState(config, network);
  const trainStep = createRunStep(config, network, { eager });
  const dataset = openClips(config, 'train');
  const good = (step: number) => upload(network, makeBatch(dataset, 4, step));
  const step = (batch: ReturnType<typeof good>) => {
    const losses = trainStep(state, batch);
    disposeTree([batch.data, batch.condition]);
    return losses;
  };

  expect(step(good(0)).skipped).toBeUndefined();
  const before = digest(state);
  const tensors = tf.memory().numTensors;
  const batch = good(1);
  const spoilt = tf.tidy(() =>
    tf.where(tf.equal(tf.range(0, batch.data.size).reshape(batch.data.shape), 5), Number.NaN, batch.data),
  );
  batch.data.dispose();
  expect(step({ ...batch, data: spoilt }).skipped).toMatch(/^the loss is NaN and its gradient's norm /);
  expect(tf.memory().numTensors).toBe(tensors);
  expect(digest(state)).toBe(before);
  expect(state).toMatchObject({ step: 2, guard: { skipped: 1, notFiniteInARow: 1 } });

  expect(step(good(2)).skipped).toBeUndefined();
  expect(digest(state)).not.toBe(before);
  expect(state).toMatchObject({ step: 3, guard: { skipped: 1, notFiniteInARow: 0 } });
});

it('a config that leaves all to its defaults is the step of @eflow/train that is given none, to the bit', () => {
  const leftOut = ['objective', 'optimizer', 'network.attention.featureMap', 'training.keepRatio'].map(
    (key) => `${key}=null`,
  );
  const config = loadConfig('digits-tiny', [...TINY, ...leftOut, 'training.steps=3']);
  const { patchSize, hiddenSize, depth, numHeads } = config.network;
  const attention = { kind: 'glga', windowSize: 3 } as const;
  const network: VideoDiTConfig = { channels: 1, numClasses: 10, patchSize, hiddenSize, depth, numHeads, attention };
  const dataset = openClips(config, 'train');
  const [app, own] = [
    createRunStep(config, videoDiTConfig(config), { eager: true }),
    createVideoDiTStep(network, { totalSteps: 3 }),
  ].map((trainStep) => {
    const state = newState(config, network);
    const losses = [0, 1, 2].map((step) => {
      const batch = upload(network, makeBatch(dataset, 4, step));
      const values = trainStep(state, batch);
      disposeTree(batch);
      return values;
    });
    return { losses, weights: digest(state) };
  });
  expect(own).toEqual(app);
});
