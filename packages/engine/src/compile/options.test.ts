import '@tensorflow/tfjs-backend-cpu';
import { createStream, placeBehind, randomNormal, splitStream, valueAndGrad } from '@eflow/tensor';
import { expectClose } from '@eflow/testing';
import * as tf from '@tensorflow/tfjs-core';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { expectCompiledEqualsEager, expectSame, withGradients } from '../../fixtures/compiled-oracle.ts';
import { DIFFERENTIABLE_OPS } from '../../fixtures/differentiable-ops.ts';
import { bfloat16Support } from '../bfloat16.ts';
import { nativeBinding } from './binding.ts';
import { compile } from './compile.ts';

type T = tf.Tensor;

const normal = (place: number, ...shape: number[]) => randomNormal(splitStream(createStream(3), place), shape);

/** Softmax attention of one head, its input normalised. */
function attention(x: T, wq: T, wk: T, wv: T): T {
  const { mean, variance } = tf.moments(x, -1, true);
  const normed = tf.mul(tf.sub(x, mean), tf.rsqrt(tf.add(variance, 1e-5)));
  const [q, k, v] = [wq, wk, wv].map((w) => tf.matMul(normed, w)) as [T, T, T];
  return tf.matMul(tf.softmax(tf.mul(tf.matMul(q, k, false, true), 0.3)), v);
}

const attentionInputs = () => [normal(0, 7, 5), normal(1, 5, 3), normal(2, 5, 3), normal(3, 5, 3)];

beforeEach(() => tf.engine().startScope());
afterEach(() => tf.engine().endScope());

describe('xla', () => {
  it.each(['pow', 'moments', 'where', 'gather with batchDims', 'concat', 'conv2d', 'logSoftmax', 'fused.matMul'])(
    'gives the values and gradients of %s',
    (name) => {
      const [inputs, op] = DIFFERENTIABLE_OPS[name]!;
      expectCompiledEqualsEager(
        withGradients(op),
        inputs.map((make, place) => make(place)),
        { xla: true },
      );
    },
  );

  it('gives those of attention', () => {
    expectCompiledEqualsEager(withGradients(attention), attentionInputs(), { xla: true });
  });
});

describe.runIf(bfloat16Support('cpu').supported)("precision 'bf16'", () => {
  const precision = 'bf16';
  /** Nearest bfloat16, ties to even. */
  const round = (values: Float32Array) => {
    const bits = new Uint32Array(values.buffer, values.byteOffset, values.length);
    return new Float32Array(bits.map((b) => (b + 0x7fff + ((b >>> 16) & 1)) & 0xffff0000).buffer);
  };
  const rounded = (x: T) => tf.tensor(round(x.dataSync() as Float32Array), x.shape);

  it('rounds the factors of a product and the product, and nothing else of it', () => {
    const [a, b] = [normal(0, 9, 70), normal(1, 70, 8)];
    const actual = compile((x: T, y: T) => tf.matMul(x, y), { precision })(a, b);
    const exact = tf.matMul(rounded(a), rounded(b));
    expectClose(actual, exact, { rtol: 2 ** -8, atol: 1e-5 });
    expect(round(actual.dataSync() as Float32Array)).toEqual(actual.dataSync());
    expect(() => expectClose(actual, tf.matMul(a, b), { rtol: 1e-4 })).toThrow();
  });

  it('keeps all else exact: what has no product is bit-equal, also around products', () => {
    const exact = (x: T) => {
      const { mean, variance } = tf.moments(x, -1, true);
      const normed = tf.mul(tf.sub(x, mean), tf.rsqrt(tf.add(variance, 1e-5)));
      return [tf.softmax(normed), tf.sum(tf.exp(x)), tf.cumsum(x, 1), tf.grad((y) => tf.logSumExp(y))(x)];
    };
    const x = normal(0, 30, 40);
    const values = (tensors: T[]) => tensors.map((tensor) => tensor.dataSync());
    expect(values(compile(exact, { precision })(x))).toEqual(values(compile(exact)(x)));

    const around = (y: T) => {
      const scores = tf.matMul(y, y, false, true);
      return [scores, tf.softmax(scores), tf.sum(scores, 0)];
    };
    const [scores, ...rest] = compile(around, { precision })(x);
    expectSame(rest, [tf.softmax(scores!), tf.sum(scores!, 0)]);
  });

  it('casts nothing between products, and a product once for all that read it as float32', () => {
    const [a, b, c] = [normal(0, 6, 4), normal(1, 4, 10), normal(2, 15, 5)];
    const add = vi.spyOn(nativeBinding(), 'addOperation');
    const actual = compile(
      (x: T, y: T, z: T) => {
        const moved = tf.matMul(tf.reshape(tf.transpose(tf.matMul(x, y)), [4, 15]), z);
        return [moved, tf.relu(moved), tf.neg(moved)];
      },
      { precision },
    )(a, b, c);
    const casts = add.mock.calls.filter(([, op]) => op === 'Cast').length;
    add.mockRestore();
    expect(casts).toBe(3 + 1); // the factors, the last product
    const first = rounded(tf.matMul(rounded(a), rounded(b)));
    const exact = tf.matMul(tf.reshape(tf.transpose(first), [4, 15]), rounded(c));
    expectClose(actual[0]!, exact, { rtol: 2 ** -7, atol: 2 ** -6 });
    expectClose(actual[1]!, tf.relu(actual[0]!), { rtol: 0, atol: 0 });
    expectClose(actual[2]!, tf.neg(actual[0]!), { rtol: 0, atol: 0 });
  });

  it('hands products to what XLA compiles, and keeps them across a barrier', () => {
    const inputs = [normal(0, 6, 4), normal(1, 4, 6)] as const;
    const part = compile((y: T) => tf.mul(y, 2), { xla: true });
    const both = compile((x: T, y: T) => [part(tf.matMul(x, y)), placeBehind(x, tf.matMul(x, y))], { precision });
    const [doubled, kept] = both(...inputs);
    expectClose(doubled!, tf.mul(kept!, 2), { rtol: 0, atol: 0 });
    expectClose(kept!, tf.matMul(...inputs), { rtol: 2 ** -6, atol: 2 ** -6 });
  });

  it('leaves integer products alone', () => {
    const x = tf.tensor2d([[1001, 2003]], undefined, 'int32');
    expect(compile((y: T) => tf.matMul(y, y, false, true), { precision })(x).dataSync()[0]).toBe(1001 ** 2 + 2003 ** 2);
  });

  it('gives gradients within a few units of bfloat16', () => {
    const inputs = attentionInputs();
    const expected = withGradients(attention)(...inputs);
    const actual = compile(withGradients(attention), { precision })(...inputs);
    for (const [i, x] of expected.entries()) {
      const error = tf.norm(tf.sub(x, actual[i]!)).dataSync()[0]! / tf.norm(x).dataSync()[0]!;
      expect(error).toBeGreaterThan(1e-5);
      expect(error).toBeLessThan(4 * 2 ** -8);
    }
  });
});

describe('describe', () => {
  it('counts operations and the flops of products, gradients included', () => {
    const [batch, width, hidden, out] = [5, 7, 11, 3] as const;
    const mlp = compile((x: T, w1: T, w2: T) => {
      const { values, grads } = valueAndGrad(() => {
        const y = tf.matMul(tf.relu(tf.matMul(x, w1)), w2);
        return { loss: tf.sum(y) as tf.Scalar };
      }, [w1, w2]);
      return [values.loss, ...grads];
    });
    const description = mlp.describe(normal(0, batch, width), normal(1, width, hidden), normal(2, hidden, out))!;
    // Forward two products; backward the gradient of both weights and of what is between.
    const [first, second] = [batch * width * hidden, batch * hidden * out];
    expect(description.matmulFlops).toBe(2 * (first + second + first + 2 * second));
  });

  it('counts every op of a graph once', () => {
    const compiled = compile((x: T, w: T) => tf.relu(tf.matMul(x, w)));
    // Two placeholders, a product, a relu.
    const { operations, matmulFlops, bytes } = compiled.describe(normal(0, 2, 3), normal(1, 3, 4))!;
    expect({ operations, matmulFlops }).toEqual({ operations: 4, matmulFlops: 2 * 2 * 3 * 4 });
    expect(bytes).toBeGreaterThan(4 * 20);
    expect(bytes).toBeLessThan(4 * 200);
    const transposed = compile((x: T) => tf.matMul(x, x, true));
    expect(transposed.describe(normal(0, 2, 3))!.matmulFlops).toBe(2 * 3 * 2 * 3);
    const batched = compile((x: T) => tf.matMul(x, x, false, true));
    expect(batched.describe(normal(0, 6, 2, 3))!.matmulFlops).toBe(6 * 2 * 2 * 3 * 2);
  });

  it('traces once, for the later call too', () => {
    let runs = 0;
    const compiled = compile((x: T) => {
      runs++;
      return tf.neg(x);
    });
    compiled.describe(tf.scalar(1));
    compiled(tf.scalar(2));
    expect(runs).toBe(1);
  });
});

describe('another backend', () => {
  it('runs the function as it is, with the same results', async () => {
    const compiled = compile(withGradients(attention));
    const inputs = attentionInputs();
    const expected = compiled(...inputs).map((x) => ({ shape: x.shape, values: x.dataSync() }));
    const data = inputs.map((x) => ({ shape: x.shape, values: x.dataSync() }));
    await tf.setBackend('cpu');
    try {
      const own = data.map(({ shape, values }) => tf.tensor(values, shape));
      const actual = compiled(...own);
      for (const [i, { shape, values }] of expected.entries()) {
        expect(actual[i]!.shape).toEqual(shape);
        expectClose(actual[i]!, values, { rtol: 1e-5, atol: 1e-5 });
      }
      expect(compiled.describe(...own)).toBeUndefined();
      expect(compile((x: T) => x)(own[0]!)).toBe(own[0]);
      tf.dispose([...own, ...actual]);
    } finally {
      await tf.setBackend('tensorflow');
    }
    compiled.dispose();
  });
});
