import { disposeTree, treeEntries } from '@eflow/tensor';
import * as tf from '@tensorflow/tfjs-core';
import { expect, it } from 'vitest';
import { createTrainStep, currentParams, disposeState, emaParams, initState } from './index.ts';

type Params = { layers: { weight: tf.Tensor }[]; scale: tf.Tensor };

const initial = (): Params => ({ layers: [{ weight: tf.tensor2d([[1, 2, 3]]) }], scale: tf.scalar(4) });
const read = (params: Params) => treeEntries(params).map(([name, x]) => [name, x.shape, [...x.dataSync()]]);

it('a state begins at the parameters, and both trees of it outlive it; every tensor is freed by its owner', () => {
  const before = tf.memory().numTensors;
  const params = initial();
  const expected = read(params);
  const state = initState(params);
  disposeTree(params); // the state has its own

  const trees = [emaParams(state), currentParams(state)];
  disposeState(state);
  expect(trees.map(read)).toEqual([expected, expected]);
  disposeTree(trees);
  expect(tf.memory().numTensors).toBe(before);
});

it('after a step emaParams and currentParams are the average and the parameters, and no more tensors are alive', () => {
  const before = tf.memory().numTensors;
  const params = initial();
  const state = initState(params);
  const alive = tf.memory().numTensors;
  const trainStep = createTrainStep({
    loss: ({ layers, scale }: Params, x: tf.Tensor) => ({
      loss: tf.sum(tf.mul(tf.mul(layers[0]!.weight, x), scale)) as tf.Scalar,
    }),
  });
  const x = tf.tensor2d([[1, -1, 1]]);
  for (let i = 0; i < 3; i++) trainStep(state, x);
  expect(tf.memory().numTensors).toBe(alive + 1); // x

  const [ema, current] = [emaParams(state), currentParams(state)];
  expect(read(current)).not.toEqual(read(params));
  expect(read(ema)).not.toEqual(read(current));
  expect(treeEntries(current).flatMap(([, leaf]) => [...leaf.dataSync()])).toEqual([
    ...state.weights.params.dataSync(),
  ]);
  expect(treeEntries(ema).flatMap(([, leaf]) => [...leaf.dataSync()])).toEqual([...state.weights.ema.dataSync()]);
  disposeState(state);
  disposeTree([params, x, ema, current]);
  expect(tf.memory().numTensors).toBe(before);
});
