import { createStream, randomNormal } from '@eflow/tensor';
import { expectClose, expectNoLeak } from '@eflow/testing';
import * as tf from '@tensorflow/tfjs-core';
import fc from 'fast-check';
import { describe, expect, it, vi } from 'vitest';
import {
  type AllInputs,
  checkGradients,
  checkValues,
  drawInputs,
  gradientsOf,
  largestTensor,
  type Shape,
} from '../fixtures/check-kernel.ts';
import { linearAttention } from './linear.ts';
import { softmaxAttention } from './softmax.ts';
import { type SparseLinearOptions, sparseLinearAttention } from './sparse-linear.ts';

vi.stubEnv('EFLOW_NATIVE', '0'); // the composed form

const options: SparseLinearOptions[] = [
  {},
  { blockSize: 3, topRatio: 0.3, skipRatio: 0.3 },
  { blockSize: 2, topRatio: 0.2, skipRatio: 0, featureMap: 'elu1' },
  { blockSize: 3, topRatio: 0.3, featureMap: 'relu', variant: 'code' },
  { blockSize: 1, topRatio: 0.4, skipRatio: 0.6 },
];

describe.each(options)('sparseLinearAttention, %o', (option) => {
  it.each<[string, Shape]>([
    ['prime sizes, a short last block', [2, 3, 17, 10]],
    ['one token', [3, 1, 1, 6]],
    ['one clip, one head, whole blocks', [1, 1, 18, 6]],
  ])('has the values and gradients of the float64 oracle: %s', (_case, shape) => {
    const inputs = drawInputs(shape, 1);
    checkValues({ kind: 'sla', ...option }, inputs);
    checkGradients({ kind: 'sla', ...option }, inputs);
  });

  it('leaves no tensors behind, forward or backward', () => {
    const inputs = drawInputs([1, 2, 13, 6], 4);
    expectNoLeak(() => sparseLinearAttention(inputs, option));
    expectNoLeak(() => gradientsOf((at) => sparseLinearAttention(at, option), inputs));
  });
});

describe('identities of sparse-linear attention', () => {
  const close = { rtol: 1e-4, atol: 1e-5 };
  const sizes = fc.tuple(fc.integer({ min: 1, max: 23 }), fc.integer({ min: 1, max: 7 }), fc.nat(1000));
  const zeros = { proj: tf.zeros([6, 6]) };

  it('with all blocks on top it is softmax attention, in the variant of the code with a linear branch beside it', () => {
    fc.assert(
      fc.property(sizes, ([L, blockSize, seed]) => {
        const inputs = drawInputs([1, 2, L, 6], seed);
        const full = softmaxAttention(inputs);
        expectClose(sparseLinearAttention(inputs, { blockSize, topRatio: 1 }), full, close);
        const code = { blockSize, topRatio: 1, variant: 'code' } as const;
        expectClose(sparseLinearAttention({ ...inputs, ...zeros }, code), full, close);
      }),
      { numRuns: 15 },
    );
  });

  it('with proj zero it is its sparse part, in both variants', () => {
    fc.assert(
      fc.property(sizes, ([L, blockSize, seed]) => {
        const inputs = { ...drawInputs([1, 2, L, 6], seed), ...zeros };
        const [paper, code] = (['paper', 'code'] as const).map((variant) =>
          sparseLinearAttention(inputs, { blockSize, topRatio: 0.3, variant }),
        );
        expectClose(paper!, code!, { rtol: 0, atol: 0 });
      }),
      { numRuns: 15 },
    );
  });

  it('with one block of one token on top it takes the value of the key that points furthest along the query', () => {
    fc.assert(
      fc.property(fc.integer({ min: 2, max: 23 }), fc.nat(1000), (L, seed) => {
        const inputs = { ...drawInputs([1, 2, L, 6], seed), ...zeros };
        const one = sparseLinearAttention(inputs, { blockSize: 1, topRatio: 1e-9 });
        const scores = tf.matMul(turned(inputs, 'q'), turned(inputs, 'k'), false, true);
        expectClose(one, tf.matMul(tf.oneHot(tf.argMax(scores, 3), L), inputs.v), close);
      }),
      { numRuns: 15, seed: 1 }, // among other draws might be two keys that point as far up to rounding
    );
  });

  it('less its sparse part, the variant of the code is linear attention over all tokens, projected', () => {
    fc.assert(
      fc.property(sizes, ([L, blockSize, seed]) => {
        const inputs = drawInputs([1, 2, L, 6], seed);
        const option = { blockSize, topRatio: 0.3, variant: 'code' } as const;
        const rest = tf.sub(
          sparseLinearAttention(inputs, option),
          sparseLinearAttention({ ...inputs, ...zeros }, option),
        );
        const [q, k] = [turned(inputs, 'q'), turned(inputs, 'k')];
        const linear = linearAttention({ q, k, v: inputs.v }, { featureMap: 'softmax' });
        const projected = tf.matMul(tf.reshape(linear, [-1, 6]), inputs.proj as tf.Tensor2D);
        expectClose(rest, projected, { rtol: 1e-3, atol: 1e-4 });
      }),
      { numRuns: 15 },
    );
  });

  it('a projection that starts at zero has a gradient from the start', () => {
    const inputs = drawInputs([1, 2, 17, 6], 5);
    const run = (proj: tf.Tensor) => sparseLinearAttention({ ...inputs, proj }, { blockSize: 3, topRatio: 0.3 });
    const gradient = tf.grad((proj: tf.Tensor) => tf.sum(tf.square(run(proj))))(zeros.proj);
    expect(Math.min(...tf.abs(gradient).dataSync())).toBeGreaterThan(0);
  });

  it('blocks that are skipped have no influence, blocks in the middle do', () => {
    // Keys along the queries order the blocks: the first is on top, the last is skipped.
    const q = tf.ones([1, 1, 10, 6]);
    const k = tf.mul(q, tf.reshape(tf.linspace(1, -1, 10), [1, 1, 10, 1]));
    const { v, proj } = drawInputs([1, 1, 10, 6], 6);
    const run = (values: tf.Tensor) =>
      sparseLinearAttention({ q, k, v: values, proj }, { blockSize: 2, topRatio: 0.2, skipRatio: 0.2 });
    const changeAt = (token: number) => {
      const moved = tf.add(v, tf.reshape(tf.oneHot(tf.tensor1d([token], 'int32'), 10), [1, 1, 10, 1]));
      return tf.max(tf.abs(tf.sub(run(moved), run(v)))).dataSync()[0];
    };
    expect([0, 1, 4, 7].map(changeAt).every((change) => change! > 1e-3)).toBe(true);
    expect([8, 9].map(changeAt)).toEqual([0, 0]);
  });
});

/** q or k as the rotary embedding leaves it, straight from the definition. */
function turned(inputs: AllInputs, name: 'q' | 'k'): tf.Tensor {
  const [first, second] = tf.split(inputs[name], 2, 3) as [tf.Tensor, tf.Tensor];
  return tf.add(
    tf.mul(inputs[name], inputs.rotary.cos),
    tf.mul(tf.concat([tf.neg(second), first], 3), inputs.rotary.sin),
  );
}

it('makes no tensor larger than the tokens times those of the blocks on top', async () => {
  const inputs = drawInputs([1, 1, 512, 6], 7);
  const option = { blockSize: 16, topRatio: 0.1 }; // 32 blocks, 3 of them on top
  const limit = 512 * 3 * 16;
  expect(await largestTensor(() => sparseLinearAttention(inputs, option))).toBeLessThanOrEqual(limit);
  const backward = () => gradientsOf((at) => sparseLinearAttention(at, option), inputs);
  expect(await largestTensor(backward)).toBeLessThanOrEqual(limit);
});

describe('bad input', () => {
  const inputs = drawInputs([2, 3, 7, 6], 8);

  it.each<[string, SparseLinearOptions, string]>([
    ['blocks of no tokens', { blockSize: 0 }, 'blockSize is 0; expected tokens of a block'],
    ['half a token', { blockSize: 2.5 }, 'blockSize is 2.5'],
    ['nothing on top', { topRatio: 0 }, 'topRatio is 0; expected a share in (0, 1]'],
    ['more than all on top', { topRatio: 1.1 }, 'topRatio is 1.1'],
    ['a negative share', { skipRatio: -0.1 }, 'skipRatio is -0.1; expected a share in [0, 1]'],
    ['no number', { skipRatio: Number.NaN }, 'skipRatio is NaN'],
    ['another variant', { variant: 'book' as 'paper' }, "variant is 'book'; expected 'paper' or 'code'"],
  ])('refuses %s', (_case, option, message) => {
    expect(() => sparseLinearAttention(inputs, option)).toThrow(message);
  });

  it('quotes both shapes of a projection that does not fit', () => {
    const proj = randomNormal(createStream(9), [6, 5]);
    expect(() => sparseLinearAttention({ ...inputs, proj })).toThrow('expected proj [6, 6], got [6, 5]');
  });

  it('passes NaN and infinity on', () => {
    for (const value of [Number.NaN, Number.POSITIVE_INFINITY]) {
      for (const name of ['q', 'k', 'v'] as const) {
        const spoilt = { ...inputs, [name]: tf.fill([2, 3, 7, 6], value) };
        const output = sparseLinearAttention(spoilt, { blockSize: 2, topRatio: 0.3 }).dataSync();
        expect(output.some(Number.isFinite)).toBe(false);
      }
    }
  });
});
