import { expectClose, expectNoLeak } from '@eflow/testing';
import * as tf from '@tensorflow/tfjs-core';
import { describe, expect, it, vi } from 'vitest';
import {
  checkGradients,
  checkValues,
  drawInputs,
  gradientsOf,
  largestTensor,
  type Shape,
} from '../fixtures/check-kernel.ts';
import {
  composedGatedLocalGlobal,
  type GatedLocalGlobalOptions,
  gatedLocalGlobalAttention,
} from './gated-local-global.ts';
import { linearAttention } from './linear.ts';
import { slidingWindowAttention } from './sliding-window.ts';

vi.stubEnv('EFLOW_NATIVE', '0'); // the composed form

describe.each<GatedLocalGlobalOptions>([
  { windowSize: 3, featureMap: 'relu' },
  { windowSize: 1, featureMap: 'elu1' },
  { windowSize: 2, featureMap: 'softmax' },
])('gatedLocalGlobalAttention, %o', (options) => {
  it.each<[string, Shape]>([
    ['prime sizes', [2, 3, 17, 10]],
    ['shorter than the window', [1, 2, 2, 6]],
    ['one token', [3, 1, 1, 6]],
    ['many tiles', [1, 1, 67, 6]],
  ])('has the values and gradients of the float64 oracle: %s', (_case, shape) => {
    const inputs = drawInputs(shape, 1);
    checkValues({ kind: 'glga', ...options }, inputs);
    checkGradients({ kind: 'glga', ...options }, inputs);
  });

  it('is the global branch with a gate of 1, the local one with a gate of 0', () => {
    const inputs = drawInputs([2, 3, 19, 6], 7);
    const gated = (value: number) =>
      gatedLocalGlobalAttention({ ...inputs, gate: tf.fill([2, 3, 19, 1], value) }, options);
    expectClose(gated(1), linearAttention(inputs, { featureMap: options.featureMap }), { rtol: 1e-5, atol: 1e-5 });
    expectClose(gated(0), slidingWindowAttention(inputs, options.windowSize), { rtol: 0, atol: 0 });
  });

  it('leaves no tensors behind, forward or backward', () => {
    const inputs = drawInputs([1, 2, 13, 6], 4);
    expectNoLeak(() => gatedLocalGlobalAttention(inputs, options));
    expectNoLeak(() => gradientsOf((at) => gatedLocalGlobalAttention(at, options), inputs));
  });
});

it('makes no tensor larger than a few windows for each token', async () => {
  const inputs = drawInputs([1, 1, 600, 6], 6);
  const run = (at: typeof inputs) => composedGatedLocalGlobal(at, { windowSize: 8, featureMap: 'relu' });
  expect(await largestTensor(() => run(inputs))).toBeLessThan(600 * 17 * 3);
  expect(await largestTensor(() => gradientsOf(run, inputs))).toBeLessThan(600 * 17 * 3);
});

it('refuses a gate of other tokens and a window that cannot be', () => {
  const inputs = drawInputs([2, 3, 7, 6], 8);
  const options = { windowSize: 2, featureMap: 'relu' } as const;
  expect(() => gatedLocalGlobalAttention({ ...inputs, gate: tf.ones([2, 3, 6, 1]) }, options)).toThrow(
    'expected gate [2, 3, 7, 1], got [2, 3, 6, 1]',
  );
  expect(() => gatedLocalGlobalAttention(inputs, { ...options, windowSize: 0 })).toThrow('windowSize is 0');
});
