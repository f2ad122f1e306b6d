import { createStream, disposeTree, randomNormal, treeEntries, valueAndGrad } from '@eflow/tensor';
import { expectClose, expectNoLeak } from '@eflow/testing';
import * as tf from '@tensorflow/tfjs-core';
import { expect, it, vi } from 'vitest';
import { config, trainedParams } from '../fixtures/networks.ts';
import { tokenGrid, type VideoDiTConfig } from './config.ts';
import type { VideoDiTInput } from './input.ts';
import { drawKeptTokens } from './token-drop.ts';
import { videoDiT } from './video-dit.ts';

const clip = { numFrames: 6, height: 12, width: 20 };
const long: VideoDiTConfig = {
  ...config,
  channels: 1,
  patchSize: [1, 1, 2],
  depth: [2, 2, 2],
  attention: { kind: 'glga', windowSize: 9, featureMap: 'elu1' },
  contextSize: 3,
};
const params = trainedParams(long, 7);
const at: VideoDiTInput = {
  noisy: randomNormal(createStream(1), [2, 6, 12, 20, 1]),
  timestep: tf.tensor1d([0.9, 0.4]),
  targetTimestep: tf.tensor1d([0.2, 0.1]),
  condition: {
    labels: tf.tensor1d([1, 4], 'int32'),
    context: randomNormal(createStream(3), [2, 2, 3]),
    contextMask: tf.tensor2d([true, false, true, true], [2, 2], 'bool'),
  },
  keptTokens: drawKeptTokens(createStream(2), { batchSize: 2, grid: tokenGrid(long, clip), keepRatio: 0.5 }),
  pathDropped: tf.tensor1d([true, false], 'bool'),
};
/** The sum of squares of the output, its gradients, and the tensors alive when the gradient begins. */
function differentiate(c: VideoDiTConfig) {
  let alive = 0;
  const watch = tf.customGrad((x) => ({
    value: tf.clone(x as tf.Tensor),
    gradFunc: (dy) => {
      alive = tf.memory().numTensors;
      return tf.clone(dy);
    },
  }));
  const before = tf.memory().numTensors;
  const loss = () => ({ loss: tf.sum(tf.square(watch(videoDiT(params, c, at)))) as tf.Scalar });
  return { ...tf.tidy(() => valueAndGrad(loss, params)), kept: alive - before };
}

it('has the same gradients with its blocks run again for them, and keeps less in between', () => {
  const before = tf.memory().numTensors;
  const plain = differentiate(long);
  const again = differentiate({ ...long, checkpoint: 'blocks' });
  expectClose(again.values.loss, plain.values.loss, { rtol: 0, atol: 0 });
  const expected = treeEntries(plain.grads);
  treeEntries(again.grads).forEach(([name, grad], i) => {
    const scale = Math.max(...expected[i]![1].dataSync().map(Math.abs));
    try {
      expectClose(grad, expected[i]![1], { rtol: 1e-6, atol: 1e-6 * scale });
    } catch (error) {
      throw new Error(`${name}: ${(error as Error).message}`);
    }
  });
  expect(again.kept).toBeLessThan(plain.kept / 2);
  disposeTree([plain.values, plain.grads, again.values, again.grads]);
  expectNoLeak(() => videoDiT(params, { ...long, checkpoint: 'blocks' }, at));
  expect(tf.memory().numTensors).toBe(before);
});

it.each(['none', 'blocks'] as const)('makes no large tensor in JavaScript, with checkpoint %s', (checkpoint) => {
  const write = vi.spyOn(tf.backend(), 'write');
  const { values, grads } = differentiate({ ...long, checkpoint });
  const written = write.mock.calls.map(([data]) => data as Float32Array);
  write.mockRestore();
  disposeTree([values, grads]);
  expect(written.length).toBeGreaterThan(0);
  // The gradient that tfjs has for sums writes ones, which a graph holds as one number.
  const varied = written.filter((data) => data.some((value) => value !== data[0]));
  expect(Math.max(...varied.map((data) => data.length))).toBeLessThan(1000);
});
