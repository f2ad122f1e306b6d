import * as tf from '@tensorflow/tfjs-core';
import fc from 'fast-check';
import { describe, expect, it, vi } from 'vitest';
import { drawInputs } from '../fixtures/check-kernel.ts';
import { type AttentionSpec, attention } from './attention.ts';
import { crossAttention } from './cross.ts';
import { attentionFlops, crossAttentionFlops } from './flops.ts';
import { composedSoftmax } from './softmax.ts';
import type { Grid } from './tiles.ts';

vi.stubEnv('EFLOW_NATIVE', '0'); // products are seen in the composed form

const heads = { batchSize: 3, numHeads: 5, headDim: 7 };
/** FLOPs of a product [m, k] [k, n] for each head. */
const product = (m: number, k: number, n: number) => 3 * 5 * 2 * m * k * n;
const linear: AttentionSpec = { kind: 'linear', featureMap: 'relu' };

describe('is what the composed form runs', () => {
  const [B, N, L, S, D] = [2, 3, 20, 13, 6];
  const lengths = { batchSize: B, numHeads: N, length: L, headDim: D };
  const { q, k, v } = drawInputs([B, N, L, D], 1);
  type Kernel = (q: tf.Tensor, k: tf.Tensor, v: tf.Tensor) => tf.Tensor;
  const of =
    (spec: AttentionSpec): Kernel =>
    (q, k, v) =>
      attention(spec, { q, k, v });

  /** FLOPs of the matrix products that `fn` runs, as tfjs reports their operands. */
  async function measure(fn: () => tf.Tensor | tf.Tensor[]): Promise<number> {
    const { kernels } = await tf.profile(() => tf.tidy(() => void fn()));
    return kernels
      .filter(({ name }) => name === 'BatchMatMul')
      .map(({ inputShapes, outputShapes }) => [inputShapes[0]!, outputShapes[0]!] as const)
      .reduce((sum, [left, output]) => sum + 2 * tf.util.sizeFromShape(left) * output.at(-1)!, 0);
  }

  const measureBoth = async (kernel: Kernel, inputs: [tf.Tensor, tf.Tensor, tf.Tensor]) => ({
    forward: await measure(() => kernel(...inputs)),
    gradient: await measure(() => tf.grads((...at) => tf.sum(kernel(...(at as typeof inputs))))(inputs)),
  });

  it.each<[string, AttentionSpec, Kernel?]>([
    ['softmax in blocks', { kind: 'softmax' }, (q, k, v) => composedSoftmax({ q, k, v }, 10)],
    ['linear', linear],
    ['block-causal linear', { kind: 'linear', featureMap: 'elu1', causalBlockSize: 5 }],
  ])('%s', async (_name, spec, kernel = of(spec)) => {
    expect(await measureBoth(kernel, [q, k, v])).toEqual(attentionFlops(spec, lengths));
  });

  it('softmax over tokens and vectors whose scores are kept, but for making them again', async () => {
    const kept = ({ forward, gradient }: { forward: number; gradient: number }) => ({
      forward,
      gradient: gradient - forward / 2,
    });
    const [keys, values] = tf.split(k, [S, L - S], 2) as [tf.Tensor, tf.Tensor];
    expect(await measureBoth(of({ kind: 'softmax' }), [q, k, v])).toEqual(
      kept(attentionFlops({ kind: 'softmax' }, lengths)),
    );
    const mask = tf.ones([B, S], 'bool');
    const cross: Kernel = (q, k, v) => crossAttention({ q, k, v, mask });
    expect(await measureBoth(cross, [q, keys, tf.neg(keys)])).toEqual(
      kept(crossAttentionFlops({ ...lengths, contextLength: S })),
    );
    tf.dispose([keys, values, mask]);
  });
});

describe('windows', () => {
  const length = fc.integer({ min: 1, max: 60 });
  const side = fc.integer({ min: 1, max: 70 });

  /** Pairs whose tokens are near each other on every axis, one by one. */
  function visitPairs(grid: Grid, window: Grid): number {
    const tokens = grid.reduce<number[][]>(
      (places, axis) => places.flatMap((place) => Array.from({ length: axis }, (_, i) => [...place, i])),
      [[]],
    );
    const sees = (a: number[], b: number[]) => window.every((reach, axis) => Math.abs(a[axis]! - b[axis]!) <= reach);
    return tokens.reduce((pairs, a) => pairs + tokens.filter((b) => sees(a, b)).length, 0);
  }

  it('count two products over visible pairs, ends included, and five more in the gradient', () => {
    fc.assert(
      fc.property(length, side, (L, windowSize) => {
        const pairs = visitPairs([1, 1, L], [0, 0, windowSize]);
        expect(attentionFlops({ kind: 'local', windowSize }, { ...heads, length: L })).toEqual({
          forward: 2 * product(pairs, 7, 1),
          gradient: 7 * product(pairs, 7, 1),
        });
      }),
    );
  });

  it('on a grid count the pairs that are near on every axis', () => {
    const sides = (min: number) =>
      fc.tuple(...([1, 2, 3].map(() => fc.integer({ min, max: 4 })) as [Side, Side, Side]));
    type Side = fc.Arbitrary<number>;
    fc.assert(
      fc.property(sides(1), sides(0), (grid, window) => {
        fc.pre(window.some((reach) => reach > 0));
        const lengths = { ...heads, grid, length: grid[0] * grid[1] * grid[2] };
        const { forward } = attentionFlops({ kind: 'local', windowSize: window }, lengths);
        expect(forward).toBe(2 * product(visitPairs(grid, window), 7, 1));
      }),
    );
  });

  it('as long as the sequence count what softmax does, as do vectors that are as many as the tokens', () => {
    const at = { ...heads, length: 11 };
    const whole = attentionFlops({ kind: 'softmax' }, at);
    expect(whole.forward).toBe(product(11, 7, 11) + product(11, 11, 7));
    expect(attentionFlops({ kind: 'local', windowSize: 11 }, at)).toEqual(whole);
    expect(attentionFlops({ kind: 'local', windowSize: [1, 0, 10] }, { ...at, grid: [1, 1, 11] })).toEqual(whole);
    expect(crossAttentionFlops({ ...at, contextLength: 11 })).toEqual(whole);
  });
});

it("counts linear attention's state, its product with q, and the denominator; two more for each in the gradient", () => {
  const forward = product(7, 11, 7) + product(11, 7, 7) + product(11, 7, 1);
  const expected = { forward, gradient: 3 * forward };
  expect(attentionFlops(linear, { ...heads, length: 11 })).toEqual(expected);
  // Whatever the blocks: running sums of states are no products.
  expect(attentionFlops({ ...linear, causalBlockSize: 4 }, { ...heads, length: 11 })).toEqual(expected);
});

it('counts both branches of GLGA', () => {
  const at = { ...heads, length: 11 };
  const [global, local] = [attentionFlops(linear, at), attentionFlops({ kind: 'local', windowSize: 4 }, at)];
  expect(attentionFlops({ kind: 'glga', windowSize: 4, featureMap: 'relu' }, at)).toEqual({
    forward: global.forward + local.forward,
    gradient: global.gradient + local.gradient,
  });
});

describe("SLA's", () => {
  const at = { ...heads, length: 2048 };
  const { forward: rest } = attentionFlops(linear, at);
  const proj = product(2048, 7, 7);

  it('exact blocks, linear branch and proj are counted', () => {
    // 2,048 tokens are 32 blocks of 64; 5 % of them, rounded down, is one: 64 keys for each query.
    expect(attentionFlops({ kind: 'sla' }, at).forward).toBe(2 * product(2048, 7, 64) + rest + proj);
    // 128 blocks of 16, a quarter of them: 512 keys.
    const spec: AttentionSpec = { kind: 'sla', blockSize: 16, topRatio: 0.25 };
    expect(attentionFlops(spec, at).forward).toBe(2 * product(2048, 7, 512) + rest + proj);
  });

  it('exact blocks are no more than the sequence', () => {
    const { forward } = attentionFlops({ kind: 'sla' }, { ...heads, length: 11 });
    const { forward: softmax } = attentionFlops({ kind: 'softmax' }, { ...heads, length: 11 });
    expect(forward).toBe(softmax + attentionFlops(linear, { ...heads, length: 11 }).forward + product(11, 7, 7));
  });
});

describe('bad input', () => {
  const lengths = { numHeads: 5, length: 12, headDim: 7 };

  it.each(['batchSize', 'numHeads', 'length', 'headDim', 'contextLength'] as const)(
    'refuses a %s of 0 or 1.5',
    (name) => {
      for (const value of [0, 1.5]) {
        const at = { ...lengths, contextLength: 3, [name]: value };
        const message = `${name} is ${value}; expected a length, an integer of at least 1`;
        expect(() => crossAttentionFlops(at)).toThrow(message);
        if (name !== 'contextLength') expect(() => attentionFlops(linear, at)).toThrow(message);
      }
    },
  );

  it.each<[AttentionSpec, string]>([
    [{ kind: 'local', windowSize: 0 }, 'windowSize is 0'],
    [{ kind: 'local', windowSize: [1, 1, 1] }, 'windowSize is [1, 1, 1]; it needs the grid'],
    [{ kind: 'glga', windowSize: -1, featureMap: 'relu' }, 'windowSize is -1'],
    [{ kind: 'linear', featureMap: 'relu', causalBlockSize: 0 }, 'causalBlockSize is 0'],
    [{ kind: 'sla', topRatio: 2 }, 'topRatio is 2'],
  ])('refuses %j as the kernel does', (spec, message) => {
    expect(() => attentionFlops(spec, lengths)).toThrow(`attentionFlops: ${message}`);
  });

  it('refuses a kind that is not there', () => {
    expect(() => attentionFlops(JSON.parse('{ "kind": "flash" }'), lengths)).toThrow(
      'unknown kind in {"kind":"flash"}',
    );
  });
});
