import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { bfloat16Support, compile, useTensorFlow } from '@eflow/engine';
import { createStream, randomNormal, splitStream } from '@eflow/tensor';
import { expectClose, expectGradients, expectNoLeak, withoutNative } from '@eflow/testing';
import * as tf from '@tensorflow/tfjs-core';
import { describe, expect, it } from 'vitest';
import { compute, drawInputs, LAYERS, type Sizes } from '../fixtures/fused-layers.ts';
import { addGatedLinear, type LinearParams, linearGelu, modulatedNorm } from './index.ts';
import { hasFused, runFused } from './native.ts';

const { device } = await useTensorFlow();
const hasOps = device === 'cpu' && process.env.EFLOW_NATIVE !== '0';
const names = Object.keys(LAYERS);

it.runIf(hasOps)('there are fused ops here', () => {
  expect(hasFused()).toBe(true);
  expect(withoutNative(hasFused)).toBe(false);
});

/** Fails unless tensors agree to a share of the largest value of all, as gradients are sums of many terms that cancel. */
function expectSame(actual: tf.Tensor[], expected: tf.Tensor[], tolerance = 1e-5): void {
  expect(actual.map(({ shape }) => shape)).toEqual(expected.map(({ shape }) => shape));
  const greatest = Math.max(...expected.map((x) => x.abs().max().dataSync()[0]!));
  for (const [i, x] of expected.entries()) expectClose(actual[i]!, x, { rtol: tolerance, atol: tolerance * greatest });
}

const SIZES: Sizes[] = [
  [1, 1, 1, 3],
  [2, 1, 1, 17],
  [1, 2, 3, 5],
  [5, 3, 2, 8],
  [3, 64, 1, 16],
  [2, 65, 4, 24],
  [3, 130, 2, 33],
  [1, 200, 3, 64],
];
const FEW: Sizes = [2, 3, 2, 7];

describe.each(names)('%s', (name) => {
  const { apply, oracle } = LAYERS[name]!;

  it.each(SIZES)('is the composed form, and so are the gradients of all inputs: B %i, L %i, N %i, D %i', (...sizes) => {
    const inputs = drawInputs(name, sizes);
    expectSame(
      compute(name, inputs),
      withoutNative(() => compute(name, inputs)),
    );
    tf.dispose(inputs);
  });

  it.each([
    ['fused', <T>(fn: () => T) => fn()],
    ['composed', withoutNative],
  ] as const)('has the values and the gradients of its formula, %s', (_form, run) => {
    const inputs = drawInputs(name, FEW);
    const numbers = inputs.map((input) => Array.from(input.dataSync()));
    expectClose(
      run(() => apply(...inputs)),
      oracle(numbers, FEW),
      { rtol: 1e-5, atol: 1e-5 },
    );
    run(() => expectGradients((...at) => apply(...at), inputs, { oracle: (at) => oracle(at, FEW) }));
  });

  it('is the same in a compiled function, with other sizes in turn', () => {
    const compiled = compile((...inputs: tf.Tensor[]) => compute(name, inputs));
    for (const sizes of [FEW, SIZES[5]!, FEW]) {
      const inputs = drawInputs(name, sizes);
      const [eager, graph] = [compute(name, inputs), compiled(...inputs)];
      // Of the products around the op a graph may add up terms in another order.
      expectSame(graph, eager, 1e-5);
      tf.dispose([inputs, eager, graph]);
    }
    compiled.dispose();
  });

  it('leaves no tensors behind, forward or backward', () => {
    const inputs = drawInputs(name, FEW);
    expectNoLeak(() => apply(...inputs));
    expectNoLeak(() => compute(name, inputs));
  });

  it('keeps what is not finite in its token, forward', () => {
    const [x, ...others] = drawInputs(name, [2, 70, 2, 20]);
    const spoilt = tf.where(tf.equal(tf.range(0, x!.size).reshape(x!.shape), 100), Number.NaN, x!);
    const finite = (y: tf.Tensor) => Array.from(y.dataSync(), Number.isFinite);
    const [fused, composed] = [apply(spoilt, ...others), withoutNative(() => apply(spoilt, ...others))];
    expect(finite(fused)).toEqual(finite(composed));
    expect(finite(fused)).toContain(false);
  });
});

describe.runIf(hasOps && bfloat16Support('cpu').supported)('with products in bfloat16', () => {
  const precision = 'bf16';

  it.each(names)('%s is within a few units of bfloat16, and so are the gradients', (name) => {
    for (const sizes of [FEW, SIZES[5]!]) {
      const inputs = drawInputs(name, sizes);
      const compiled = compile((...at: tf.Tensor[]) => compute(name, at), { precision });
      const [exact, actual] = [compute(name, inputs), compiled(...inputs)];
      for (const [i, x] of exact.entries()) {
        const error = tf.norm(tf.sub(x, actual[i]!)).dataSync()[0]! / tf.norm(x).dataSync()[0]!;
        expect(error, `result ${i}`).toBeLessThan(4 * 2 ** -8);
      }
      compiled.dispose();
      tf.dispose([inputs, exact, actual]);
    }
  });

  it('casts weights and their gradients alone, forward and backward', () => {
    const [E, M] = [20, 24];
    const shapes = [[2, 3, E], [2, E], [2, E], [2, E], [E, M], [M], [M, E], [E]]; // biome-ignore format: one line
    const inputs = shapes.map((shape, i) => randomNormal(splitStream(createStream(1), i), shape));
    const mlp = (...at: tf.Tensor[]) => {
      const [x, shift, scale, gate, ...params] = at as [tf.Tensor, tf.Tensor, tf.Tensor, tf.Tensor, ...tf.Tensor[]];
      const [fc1, fc2] = [0, 2].map((i) => ({ weight: params[i], bias: params[i + 1] }) as LinearParams);
      return addGatedLinear(x, gate, fc2!, linearGelu(fc1!, modulatedNorm(x, shift, scale)));
    };
    const gradients = (...at: tf.Tensor[]) => tf.grads((...here) => tf.sum(tf.square(mlp(...here))))(at);
    const count = (precision: 'float32' | 'bf16') => {
      const compiled = compile(gradients, { precision });
      const { operations } = compiled.describe(...inputs)!;
      compiled.dispose();
      return operations;
    };
    expect(count('bf16') - count('float32')).toBe(4);
  });
});

it('one thread and three give the same, to the bit', () => {
  const child = fileURLToPath(new URL('../fixtures/fused-child.ts', import.meta.url));
  const run = (threads: string) => {
    const { status, stdout, stderr } = spawnSync(
      process.execPath,
      ['--import', 'tsx', '--conditions=@eflow/source', child],
      { encoding: 'utf8', env: { ...process.env, TF_NUM_INTRAOP_THREADS: threads } },
    );
    expect(status, stderr).toBe(0);
    return stdout;
  };
  expect(run('3')).toBe(run('1'));
});

describe.runIf(hasOps)('the ops refuse what the functions around them would have refused', () => {
  const [x, row, pair] = [tf.zeros([2, 3, 6]), tf.zeros([2, 6]), tf.zeros([2, 5])];
  const [six, five, four] = [tf.zeros([6]), tf.zeros([5]), tf.zeros([4])];
  const eps = { eps: 1e-6 };
  it.each<[string, tf.Tensor[], number, object, string]>([
    ['EflowModulatedNorm', [row, row, row], 1, eps, 'expected x [B, L, E], got [2, 6]'],
    ['EflowModulatedNorm', [x, pair, row], 1, eps, 'expected shift [2, 6], got [2, 5]'],
    ['EflowModulatedNormGrad', [x, x, pair], 3, eps, 'expected scale [2, 6], got [2, 5]'],
    ['EflowBiasGelu', [x, five], 1, {}, 'expected bias [6], got [5]'],
    ['EflowBiasGelu', [tf.zeros([2, 0]), tf.zeros([0])], 1, {}, 'at least one number a row, got [2, 0]'],
    ['EflowBiasGeluGrad', [x, row, six], 2, {}, 'expected x [2, 3, 6], got [2, 6]'],
    ['EflowGatedAdd', [x, row, x, five], 1, {}, 'expected bias [6], got [5]'],
    ['EflowGatedAddGrad', [x, pair, x, six], 3, {}, 'expected gate [2, 6], got [2, 5]'],
    [
      'EflowSplitHeads',
      [x, six, five, five],
      1,
      eps,
      'expected q_weight [D] for x [B, L, 3 N D], got [5] and [2, 3, 6]',
    ],
    ['EflowSplitHeads', [x, six, tf.zeros([2]), tf.zeros([1])], 1, eps, 'expected k_weight [2], got [1]'],
    ['EflowSplitHeadsGrad', [x, six, tf.zeros([2]), tf.zeros([2]), x], 4, eps, 'expected d_out [3, 2, 1, 3, 2], got'],
    ['EflowJoinHeads', [x], 1, {}, 'expected x [B, N, L, D], got [2, 3, 6]'],
    ['EflowJoinHeadsGrad', [x, four], 1, {}, 'expected head [D] for d_out [B, L, N D], got [4] and [2, 3, 6]'],
  ])('%s', (op, inputs, numOutputs, attributes, message) => {
    expect(() => runFused(op, inputs, numOutputs, attributes as Record<string, number>)).toThrow(message);
  });
});

it('the functions refuse shapes that disagree, in either form', () => {
  const [x, row] = [tf.zeros([2, 3, 6]), tf.zeros([2, 6])];
  const params = { weight: tf.zeros([4, 6]) as tf.Tensor2D, bias: tf.zeros([6]) as tf.Tensor1D };
  for (const run of [<T>(fn: () => T) => fn(), withoutNative]) {
    expect(() => run(() => modulatedNorm(x, row, tf.zeros([2, 5])))).toThrow(
      'modulatedNorm: expected scale [B=2, E=6], got [2, 5]',
    );
    expect(() => run(() => linearGelu(params, x))).toThrow('linear: expected x [..., 4], got [2, 3, 6]');
    expect(() => run(() => addGatedLinear(x, row, params, tf.zeros([2, 2, 4])))).toThrow(
      'addGatedLinear: expected x [B=2, L=3, 4], got [2, 2, 4]',
    );
  }
});
