import { createStream, randomNormal } from '@eflow/tensor';
import { expectClose, expectNoLeak } from '@eflow/testing';
import * as tf from '@tensorflow/tfjs-core';
import fc from 'fast-check';
import { describe, expect, it, vi } from 'vitest';
import {
  checkGradients,
  checkValues,
  drawInputs,
  gradientsOf,
  largestTensor,
  type Shape,
} from '../fixtures/check-kernel.ts';
import type { FeatureMap } from './feature-map.ts';
import { LINEAR_EPS, mapFeatures } from './feature-map.ts';
import { type LinearOptions, linearAttention } from './linear.ts';

vi.stubEnv('EFLOW_NATIVE', '0'); // the composed form

const featureMaps: FeatureMap[] = ['relu', 'elu1', 'softmax'];
const options: LinearOptions[] = [
  ...featureMaps.map((featureMap) => ({ featureMap })),
  { featureMap: 'relu', causalBlockSize: 1 },
  { featureMap: 'elu1', causalBlockSize: 5 },
  { featureMap: 'softmax', causalBlockSize: 100 },
];

describe.each(options)('linearAttention, %o', (option) => {
  it.each<[string, Shape]>([
    ['prime sizes', [2, 3, 17, 10]],
    ['one token', [3, 1, 1, 6]],
    ['one clip, one head, whole blocks', [1, 1, 20, 6]],
  ])('has the values and gradients of the float64 oracle: %s', (_case, shape) => {
    const inputs = drawInputs(shape, 1);
    checkValues({ kind: 'linear', ...option }, inputs);
    checkGradients({ kind: 'linear', ...option }, inputs);
  });

  it('leaves no tensors behind, forward or backward', () => {
    const inputs = drawInputs([1, 2, 13, 6], 4);
    expectNoLeak(() => linearAttention(inputs, option));
    expectNoLeak(() => gradientsOf((at) => linearAttention(at, option), inputs));
  });
});

describe('identities of linear attention', () => {
  const length = fc.integer({ min: 1, max: 23 });
  const featureMap = fc.constantFrom(...featureMaps);
  const close = { rtol: 1e-4, atol: 1e-4 };

  it('it is its quadratic form', () => {
    fc.assert(
      fc.property(length, featureMap, fc.nat(1000), (L, map, seed) => {
        const { q, k, v } = drawInputs([2, 2, L, 6], seed);
        const products = tf.matMul(mapFeatures(map, q), mapFeatures(map, k), false, true);
        const weights = tf.div(products, tf.add(tf.sum(products, 3, true), LINEAR_EPS));
        expectClose(linearAttention({ q, k, v }, { featureMap: map }), tf.matMul(weights, v), close);
      }),
      { numRuns: 20 },
    );
  });

  it('without positions it does not depend on the order of keys and values', () => {
    fc.assert(
      fc.property(length, featureMap, fc.nat(1000), (L, map, seed) => {
        const { q, k, v } = drawInputs([1, 2, L, 6], seed);
        const { indices } = tf.topk(randomNormal(createStream(seed + 1), [L]), L);
        const shuffle = (x: tf.Tensor) => tf.gather(x, indices as tf.Tensor1D, 2);
        const shuffled = linearAttention({ q, k: shuffle(k), v: shuffle(v) }, { featureMap: map });
        expectClose(shuffled, linearAttention({ q, k, v }, { featureMap: map }), close);
      }),
      { numRuns: 20 },
    );
  });

  it('causal with one block it is bidirectional; its last block always sees everything', () => {
    fc.assert(
      fc.property(length, fc.integer({ min: 1, max: 9 }), featureMap, fc.nat(1000), (L, size, map, seed) => {
        const { q, k, v } = drawInputs([1, 2, L, 6], seed);
        const bidirectional = linearAttention({ q, k, v }, { featureMap: map });
        expectClose(linearAttention({ q, k, v }, { featureMap: map, causalBlockSize: L + size }), bidirectional, close);
        const causal = linearAttention({ q, k, v }, { featureMap: map, causalBlockSize: size });
        const lastBlock = (x: tf.Tensor) => tf.slice(x, [0, 0, Math.floor((L - 1) / size) * size, 0]);
        expectClose(lastBlock(causal), lastBlock(bidirectional), close);
      }),
      { numRuns: 20 },
    );
  });

  it('causal, a block is not moved by what comes after it', () => {
    const inputs = drawInputs([1, 1, 17, 6], 5);
    const run = (k: tf.Tensor, v: tf.Tensor) =>
      tf.slice(
        linearAttention({ ...inputs, k, v }, { featureMap: 'elu1', causalBlockSize: 5 }),
        [0, 0, 0, 0],
        [1, 1, 10, 6],
      );
    const later = tf.reshape(tf.cast(tf.greaterEqual(tf.range(0, 17), 10), 'float32'), [1, 1, 17, 1]);
    expectClose(run(tf.add(inputs.k, later), tf.add(inputs.v, later)), run(inputs.k, inputs.v), { rtol: 0, atol: 0 });
  });
});

it('makes no tensor larger than its inputs, or than the states of its blocks, forward or backward', async () => {
  const inputs = drawInputs([1, 2, 256, 6], 6);
  for (const [option, limit] of [
    [{ featureMap: 'relu' }, 2 * 256 * 6],
    [{ featureMap: 'relu', causalBlockSize: 4 }, 2 * 64 * 36],
  ] as [LinearOptions, number][]) {
    expect(await largestTensor(() => linearAttention(inputs, option))).toBeLessThanOrEqual(limit);
    const backward = () => gradientsOf((at) => linearAttention(at, option), inputs);
    expect(await largestTensor(backward)).toBeLessThanOrEqual(limit);
  }
});

it('stays finite where ReLU silences all features of a query', () => {
  const inputs = drawInputs([1, 1, 7, 6], 7);
  const silent = { ...inputs, q: tf.neg(tf.abs(inputs.q)) };
  const run = (at: typeof inputs) => linearAttention(at, { featureMap: 'relu' });
  for (const x of [run(silent), ...gradientsOf(run, silent)]) expectClose(x, tf.zeros(x.shape));
});

it.each([0, -1, 1.5, Number.NaN])('refuses blocks of %d tokens', (causalBlockSize) => {
  const inputs = drawInputs([1, 1, 7, 6], 8);
  expect(() => linearAttention(inputs, { featureMap: 'relu', causalBlockSize })).toThrow(
    `causalBlockSize is ${causalBlockSize}; expected tokens of a block`,
  );
});

it('refuses an unknown feature map', () => {
  const inputs = drawInputs([1, 1, 7, 6], 8);
  expect(() => linearAttention(inputs, { featureMap: 'tanh' as FeatureMap })).toThrow(
    "featureMap is 'tanh'; expected 'relu', 'elu1' or 'softmax'",
  );
});
