import '@tensorflow/tfjs-backend-cpu';
import { valueAndGrad } from '@eflow/tensor';
import { expectClose } from '@eflow/testing';
import * as tf from '@tensorflow/tfjs-core';
import type { NodeJSKernelBackend } from '@tensorflow/tfjs-node-gpu/dist/nodejs_kernel_backend.js';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { expectRefusal, refusalOf } from '../../fixtures/refusals.ts';
import { compile } from './compile.ts';
import { CompileError } from './refusal.ts';

type T = tf.Tensor;

const x = tf.keep(tf.tensor2d([1, 2, 3, 4, 5, 6], [2, 3]));
const backend = () => tf.backend() as NodeJSKernelBackend;

beforeAll(() => tf.engine().startScope());
afterAll(() => tf.engine().endScope());

describe('what a function returns', () => {
  it.each<[string, unknown, string]>([
    ['a number', 3, 'the result is number 3'],
    ['nothing', undefined, 'the result is undefined'],
    ['null', null, 'the result is null'],
    ['a number in a tree', [{ loss: 3 }], 'the result[0].loss is number 3'],
    ['a string', 'x', 'the result is string x'],
    ['a function', () => x, 'the result is function'],
    ['a class instance', new Map(), 'the result is a Map'],
    ['an array of numbers', new Float32Array(3), 'the result is a Float32Array'],
  ])('%s', (_, result, message) => {
    const refusal = refusalOf(() => result);
    expect(refusal).toBeInstanceOf(CompileError);
    expect(refusal.message).toContain(message);
    expect(refusal.message).toContain('expected a tensor, or an array or object of tensors');
  });

  it('a promise, whose own failure later is of no interest', async () => {
    const refusal = refusalOf(async (y) => {
      await Promise.resolve();
      return tf.neg(y);
    });
    expect(refusal.message).toContain('the result is a promise: the function must not be async');
    await new Promise((resolve) => setTimeout(resolve)); // an unhandled rejection would fail the run
  });

  it('a tensor that it has disposed of', () => {
    const refusal = refusalOf((y) => {
      const z = tf.neg(y);
      z.dispose();
      return z;
    });
    expect(refusal.message).toContain('it is disposed');
  });
});

describe('reading values', () => {
  it.each<[string, (x: T) => unknown]>([
    ['dataSync', (y) => tf.scalar(y.dataSync()[0]!)],
    ['arraySync', (y) => tf.tensor(y.arraySync())],
    ['bufferSync', (y) => y.bufferSync().toTensor()],
    ['print', (y) => [y.print(), y]],
    ['data', (y) => [y.data(), y]],
    ['data, awaited', async (y) => tf.tensor1d(await y.data())],
    ['whereAsync', async (y) => tf.whereAsync(tf.greater(y, 2))],
    ['booleanMaskAsync', async (y) => tf.booleanMaskAsync(y, tf.greater(y, 2))],
    ['dataSync of a result', (y) => tf.scalar(tf.sum(y).dataSync()[0]!)],
  ])('%s', (_, fn) => {
    expectRefusal(fn, 'data', 'Return the tensor and read it outside');
  });

  it('of a shape that depends on values', () => {
    expectRefusal((y) => tf.unique(tf.reshape(y, [6])).values, 'Unique', 'whose shapes are known');
  });
});

describe('tensors from outside', () => {
  it('large ones', () => {
    const large = tf.tidy(() => tf.reshape(tf.range(0, 20_000), [100, 200]));
    expectRefusal((y) => tf.add(tf.sum(y), large), /captured tensor.*\[100, 200\].*80000 bytes/, 'as an argument');
    expect(large.isDisposed).toBe(false);
    large.dispose();
  });

  it("any, with captures 'refuse'", () => {
    const small = tf.scalar(2);
    expectRefusal((y) => tf.mul(y, small), /captured tensor.*shape \[\]/, 'as an argument', { captures: 'refuse' });
    small.dispose();
  });

  it('disposed ones', () => {
    const gone = tf.scalar(2);
    gone.dispose();
    expectRefusal((y) => tf.mul(y, gone), /captured tensor.*is disposed/, 'Pass a live tensor as an argument');
  });

  it('those of another backend, which may be arguments', async () => {
    await tf.setBackend('cpu');
    const elsewhere = tf.tensor1d([2, 3]);
    await tf.setBackend('tensorflow');
    expectRefusal((y) => tf.mul(tf.sum(y), elsewhere), /captured tensor.*another backend/, 'Pass a live tensor');
    expectClose(compile((y: T) => tf.neg(y))(elsewhere), [-2, -3]);
    elsewhere.dispose();
  });

  it('those of another function that is compiled', () => {
    let kept: T | undefined;
    compile((y: T) => {
      kept = tf.keep(tf.neg(y));
      return y;
    })(x);
    expectRefusal((y) => tf.mul(y, kept!), 'captured tensor', 'Pass a live tensor');
    const message = 'a tensor of a compiled function was used outside of it: return what is needed';
    expect(() => tf.neg(kept!)).toThrow(message);
    expect(() => kept!.dataSync()).toThrow(message);
  });
});

describe('side effects', () => {
  it('disposing of an argument', () => {
    expectRefusal((y) => [y.dispose(), tf.scalar(1)], 'dispose', 'Leave that to its caller');
  });

  it('disposing of a tensor from outside, which lives on', () => {
    const outside = tf.scalar(2);
    expectRefusal((y) => [outside.dispose(), y], 'dispose', 'Leave that to its caller');
    expectClose(outside, [2]);
    outside.dispose();
  });

  it('assigning to a variable, which stays as it is', () => {
    const variable = tf.variable(tf.scalar(2));
    expectRefusal(
      (y) => [variable.assign(tf.sum(y)), y],
      'assigns to a variable',
      'return what a variable is to become',
    );
    expectClose(variable, [2]);
    variable.dispose();
  });

  it('ops of TensorFlow with state', () => {
    const attributes = [{ name: 'dtype', type: backend().binding.TF_ATTR_TYPE, value: backend().binding.TF_FLOAT }];
    expectRefusal(
      () => backend().executeSingleOutput('RandomStandardNormal', attributes, [tf.tensor1d([3], 'int32')]),
      'RandomStandardNormal',
      'outside of the function',
    );
  });
});

describe('ops and constants that a graph cannot hold', () => {
  it('an op that TensorFlow does not know', () => {
    expectRefusal((y) => backend().executeSingleOutput('NoSuchOp', [], [y]), 'NoSuchOp', 'Use other ops');
  });

  it('an op with inputs that do not fit', () => {
    expectRefusal(
      (y) => backend().executeSingleOutput('MatMul', [], [y, y]),
      /MatMul.*2 and 3|3 and 2/,
      'Fix the shapes',
    );
  });

  it('a large array, but a splat of any size, which takes no room', () => {
    const values = Float32Array.from({ length: 100_000 }, (_, i) => i);
    expectRefusal((y) => tf.add(tf.sum(y), tf.tensor1d(values)), /constant.*400000 bytes/, 'as an argument');
    const splats = compile((y: T) => [tf.ones([1000, 1000]), tf.fill([4000], 0.25), tf.zerosLike(y)]);
    expect(splats.describe(x)!.bytes).toBeLessThan(2000);
    expectClose(tf.mean(splats(x)[0]!), [1]);
  });

  it('strings', () => {
    expectRefusal(() => tf.tensor1d(['a', 'b']), 'constant', 'Use numbers');
  });

  it('an op that XLA lacks', () => {
    const refusal = refusalOf(
      (y) => tf.dilation2d(tf.reshape<tf.Rank.R4>(y, [1, 2, 3, 1]), tf.ones([1, 1, 1]), 1, 'valid'),
      { xla: true },
    );
    expect(refusal).toBeInstanceOf(CompileError);
    expect(refusal.message).toMatch(/Dilation2D.*Leave the option xla out/);
  });
});

describe('the line', () => {
  it("is the function's own, however deep the op", () => {
    let line = '';
    const read = (y: T) => {
      line = /:(\d+):\d+\)?$/.exec(new Error().stack!.split('\n')[1]!)![1]!;
      return tf.tidy(() => tf.scalar(y.dataSync()[0]!));
    };
    const refusal = refusalOf(
      (y) => [1].map(() => valueAndGrad(() => ({ loss: read(y) as tf.Scalar }), [y]))[0]!.values,
    );
    expect(refusal.message).toContain(`faults.test.ts:${Number(line) + 1}:`);
  });

  it("is not that of an error of the function's own, which passes as it is", () => {
    const error = new RangeError('own');
    expect(
      refusalOf(() => {
        throw error;
      }),
    ).toBe(error);
  });

  it('is of the first failure, also where kept tensors and gradients are under way', () => {
    expectRefusal(
      (y) => {
        const { grads } = valueAndGrad(() => ({ loss: tf.sum(tf.square(y)) as tf.Scalar }), [y]);
        tf.keep(tf.neg(y));
        return tf.grad((z) => tf.mul(z, grads[0]!.dataSync()[0]!))(y);
      },
      'dataSync',
      'read it outside',
    );
  });
});
