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
  type Kernel,
  largestTensor,
  type Shape,
} from '../fixtures/check-kernel.ts';
import { composedSoftmax, softmaxAttention } from './softmax.ts';

vi.stubEnv('EFLOW_NATIVE', '0'); // the composed form

const inBlocks =
  (blockSize: number): Kernel =>
  (inputs) =>
    composedSoftmax(inputs, blockSize);

const shapes: [string, Shape][] = [
  ['prime sizes', [2, 3, 17, 10]],
  ['one token', [3, 1, 1, 6]],
  ['one clip, one head', [1, 1, 23, 6]],
];

describe.each<[string, Kernel]>([
  ['whole', softmaxAttention],
  ['in blocks of 5', inBlocks(5)],
  ['in blocks of 1', inBlocks(1)],
])('softmaxAttention, %s', (_form, kernel) => {
  it.each(shapes)('has the values and gradients of the float64 oracle: %s', (_case, shape) => {
    const inputs = drawInputs(shape, 1);
    checkValues({ kind: 'softmax' }, inputs, kernel);
    checkGradients({ kind: 'softmax' }, inputs, kernel);
  });

  it('does not depend on the order of keys and values', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 19 }), fc.nat(1000), (length, seed) => {
        const inputs = { ...drawInputs([1, 2, length, 6], seed), rotary: unturned(length) };
        const { indices } = tf.topk(randomNormal(createStream(seed + 1), [length]), length);
        const shuffle = (x: tf.Tensor) => tf.gather(x, indices as tf.Tensor1D, 2);
        const shuffled = kernel({ ...inputs, k: shuffle(inputs.k), v: shuffle(inputs.v) });
        expectClose(shuffled, kernel(inputs), { rtol: 1e-4, atol: 1e-5 });
      }),
      { numRuns: 8 },
    );
  });

  it('leaves no tensors behind, forward or backward', () => {
    const inputs = drawInputs([1, 2, 13, 6], 4);
    expectNoLeak(() => kernel(inputs));
    expectNoLeak(() => gradientsOf(kernel, inputs));
  });

  it('passes NaN and infinity on, and to no other head', () => {
    const inputs = drawInputs([1, 2, 13, 6], 5);
    const spoil = (value: number) => tf.concat([tf.fill([1, 1, 13, 6], value), tf.zeros([1, 1, 13, 6])], 1);
    for (const value of [Number.NaN, Number.POSITIVE_INFINITY]) {
      for (const name of ['q', 'k', 'v'] as const) {
        const output = kernel({ ...inputs, rotary: unturned(13), [name]: tf.add(tf.abs(inputs[name]), spoil(value)) });
        const [first, second] = tf.split(output, 2, 1).map((x) => x.dataSync());
        expect(first!.some(Number.isFinite)).toBe(false);
        expect(second!.every(Number.isFinite)).toBe(true);
      }
    }
  });

  it('takes scores far beyond those that exp can hold', () => {
    const inputs = drawInputs([1, 1, 13, 6], 6);
    // Where keys have length 1, a query sees its own alone if both are long enough.
    const unit = tf.div(inputs.k, tf.norm(inputs.k, 2, 3, true));
    expectClose(kernel({ ...inputs, q: tf.mul(unit, 1e4), k: tf.mul(unit, 1e4) }), inputs.v, {
      rtol: 1e-5,
      atol: 1e-5,
    });
    // And the mean of all, if no key is less far from it than another.
    const ones = tf.ones([1, 1, 13, 6]);
    const rotary = unturned(13);
    const away = kernel({ ...inputs, rotary, q: tf.mul(ones, 1e4), k: tf.mul(ones, -1e4) });
    expectClose(away, tf.tile(tf.mean(inputs.v, 2, true), [1, 1, 13, 1]), { rtol: 1e-5, atol: 1e-5 });
  });
});

describe('softmax attention in blocks', () => {
  it('is softmax attention, whatever the blocks', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 2, max: 40 }),
        fc.integer({ min: 1, max: 40 }),
        fc.nat(1000),
        (length, size, seed) => {
          const inputs = drawInputs([1, 2, length, 6], seed);
          const [whole, blocks] = [softmaxAttention, inBlocks(size)];
          expectClose(blocks(inputs), whole(inputs), { rtol: 1e-4, atol: 1e-5 });
          const expected = gradientsOf(whole, inputs);
          gradientsOf(blocks, inputs).forEach((gradient, i) => {
            expectClose(gradient, expected[i]!, { rtol: 1e-4, atol: 1e-4 });
          });
        },
      ),
      { numRuns: 15 },
    );
  });

  it('makes no tensor larger than its inputs or the scores of one pair of blocks, forward or backward', async () => {
    const inputs = drawInputs([1, 2, 192, 6], 7);
    const limit = 2 * Math.max(192 * 6, 16 * 16);
    expect(await largestTensor(() => inBlocks(16)(inputs))).toBeLessThanOrEqual(limit);
    expect(await largestTensor(() => gradientsOf(inBlocks(16), inputs))).toBeLessThanOrEqual(limit);
    expect(await largestTensor(() => softmaxAttention(inputs))).toBe(2 * 192 * 192);
  });

  it('begins where the scores of all heads no longer fit into 64 MiB', async () => {
    const largest = async (heads: number, length: number) => {
      const x = tf.zeros([1, heads, length, 1]);
      return largestTensor(() => softmaxAttention({ q: x, k: x, v: x }));
    };
    expect(await largest(16, 1024)).toBe(16 * 1024 * 1024);
    expect(await largest(16, 1025)).toBeLessThan(16 * 1024 * 1024);
  });
});

/** A rotation by nothing. */
const unturned = (length: number) => ({ cos: tf.ones([length, 6]), sin: tf.zeros([length, 6]) });
