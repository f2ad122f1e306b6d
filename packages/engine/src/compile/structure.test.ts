import { rematerialise, valueAndGrad } from '@eflow/tensor';
import { expectClose } from '@eflow/testing';
import * as tf from '@tensorflow/tfjs-core';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { expectSame } from '../../fixtures/compiled-oracle.ts';
import { compile } from './compile.ts';

type T = tf.Tensor;
const vector = (...values: number[]) => tf.tensor1d(values);

beforeEach(() => tf.engine().startScope());
afterEach(() => tf.engine().endScope());

describe('results', () => {
  it('are trees of tensors, and belong to the caller', () => {
    const compiled = compile((x: T) => ({ twice: tf.mul(x, 2), parts: [x, { neg: tf.neg(x) }] as const, none: [] }));
    const before = tf.memory().numTensors;
    const x = vector(1, 2);
    const { twice, parts, none } = compiled(x);
    expect(tf.memory().numTensors).toBe(before + 4);
    expectSame([twice, parts[0], parts[1].neg], [vector(2, 4), vector(1, 2), vector(-1, -2)]);
    expect(none).toEqual([]);
  });

  it('may be an argument or one tensor twice, each a tensor of its own', () => {
    const compiled = compile((x: T) => {
      const y = tf.neg(x);
      return [x, x, y, y, tf.clone(y)];
    });
    const x = vector(1, 2);
    const results = compiled(x);
    tf.dispose(results.slice(0, 3));
    expectSame([x, results[3]!, results[4]!], [vector(1, 2), vector(-1, -2), vector(-1, -2)]);
  });

  it('may be constants, small tensors from outside among them, and those live on', () => {
    const outside = vector(4, 5);
    const compiled = compile(() => [outside, tf.clone(outside), tf.scalar(7), tf.ones([100])]);
    expectSame(compiled(), [vector(4, 5), vector(4, 5), tf.scalar(7), tf.ones([100])]);
    expect(outside.isDisposed).toBe(false);
    expectClose(outside, [4, 5]);
  });

  it('leave out a key whose value is undefined, in results as in arguments', () => {
    const compiled = compile(({ x, y }: { x: T; y?: T }) => ({ twice: tf.mul(x, 2), y, deep: { y } }));
    const { twice, ...rest } = compiled({ x: vector(1, 2), y: undefined });
    expectSame([twice], [vector(2, 4)]);
    expect(rest).toEqual({ deep: {} });
  });

  it('may be none', () => {
    expect(compile(() => ({}))()).toEqual({});
    expect(compile((_: T) => [])(vector(1))).toEqual([]);
  });
});

describe('inside', () => {
  it('tidies, gradients, kept tensors and disposal work as ever', () => {
    const step = (w: T, x: T) => {
      const { values, grads } = valueAndGrad(() => {
        const hidden = tf.tidy(() => tf.tanh(tf.mul(w, x)));
        return { loss: tf.sum(tf.square(hidden)) as tf.Scalar, hidden };
      }, [w]);
      const next = tf.tidy(() => tf.sub(w, tf.mul(grads[0]!, 0.1)));
      tf.dispose(grads);
      return { ...values, next };
    };
    const [w, x] = [vector(0.5, -0.3), vector(2, 3)];
    const before = tf.memory().numTensors;
    const actual = compile(step)(w, x);
    expect(tf.memory().numTensors).toBe(before + 3);
    const expected = step(w, x);
    expectSame(Object.values(actual), Object.values(expected));
    tf.dispose([actual, expected]);
    expect(tf.memory().numTensors).toBe(before);
  });

  it.each([false, true])('rematerialised parts work (xla %s)', (xla) => {
    const part = ({ x, w }: { x: T; w: T }) => tf.tanh(tf.mul(tf.tanh(tf.mul(x, w)), w));
    const slopes = (inner: typeof part) => (x: T, w: T) =>
      tf.grads((y, v) => tf.sum(inner({ x: inner({ x: y!, w: v! }), w: v! })))([x, w]);
    const inputs = [vector(0.4, -0.2), vector(1.5, 0.7)] as const;
    const again = compile(
      slopes((tree) => rematerialise(part, tree)),
      { xla },
    );
    expectSame(again(...inputs), slopes(part)(...inputs));
  });

  it('second gradients work', () => {
    const cube = (x: T) => tf.grad((y) => tf.grad((z) => tf.pow(z, 3))(y))(x);
    expectClose(compile(cube)(vector(2)), [12]);
  });

  it('a small tensor from outside is what it was when the function was traced', () => {
    const weight = tf.variable(vector(2));
    const compiled = compile((x: T) => tf.mul(x, weight));
    expectClose(compiled(vector(3)), [6]);
    weight.assign(vector(10));
    expectClose(compiled(vector(3)), [6]);
    weight.dispose();
  });
});

describe('compiled functions in one another', () => {
  const square = compile((x: T) => tf.square(x), { name: 'square' });

  it('become one graph, and have gradients there', () => {
    const outer = compile((x: T) => tf.grad((y) => tf.sum(square(y)))(x));
    expectClose(outer(vector(3, 4)), [6, 8]);
  });

  it.each([
    ['XLA within TensorFlow', true, false],
    ['TensorFlow within XLA', false, true],
    ['XLA within XLA', true, true],
  ])('%s', (_, innerXla, outerXla) => {
    const inner = compile((x: T, factor: number) => ({ y: tf.mul(tf.sin(x), factor), i: tf.scalar(1, 'int32') }), {
      xla: innerXla,
    });
    const outer = compile(
      (x: T) => {
        const [first, second] = [inner(x, 2), inner(x, 3)];
        return [tf.add(tf.mul(first.y, second.y), first.i), inner(second.y, 2).y];
      },
      { xla: outerXla },
    );
    const x = vector(0.5, 1);
    const expected = [tf.add(tf.mul(tf.square(tf.sin(x)), 6), 1), tf.mul(tf.sin(tf.mul(tf.sin(x), 3)), 2)];
    expectSame(outer(x), expected);
    expectSame(outer(x), expected);
  });

  it('an XLA part takes its gradient inside, and says so', () => {
    const part = compile((x: T) => tf.sum(tf.square(x)), { xla: true });
    const outer = compile((x: T) => tf.grad((y) => part(y))(x));
    expect(() => outer(vector(3))).toThrow('a gradient through a compiled function');
  });
});

describe('under a tape', () => {
  it('a call counts as one op without a gradient', () => {
    const compiled = compile((x: T) => tf.square(x));
    const x = vector(3);
    expect(() => tf.grad((y) => tf.sum(compiled(y)))(x)).toThrow(
      'a gradient through a compiled function was asked for, which has none. Take the gradient inside',
    );
  });

  it('gets a gradient from tf.customGrad, which may be compiled too', () => {
    const both = compile((x: T) => [tf.sum(tf.exp(x)), tf.grad((y) => tf.exp(y))(x)]);
    const sumExp = tf.customGrad((x, save) => {
      const [value, slope] = both(x as T) as [T, T];
      (save as tf.GradSaveFunc)([slope]);
      return { value, gradFunc: (dy: T, saved: T[]) => tf.mul(dy, saved[0]!) };
    });
    const x = vector(0, 1);
    for (let call = 0; call < 2; call++) {
      expectClose(tf.grad((y) => tf.mul(sumExp(y), 2))(x), [2, 2 * Math.E]);
    }
  });

  it('what no gradient is asked of can be compiled, the first call and later ones', () => {
    const compiled = compile((x: T) => tf.square(x));
    const target = vector(2);
    const loss = (x: T) => tf.sum(tf.mul(x, compiled(target)));
    for (let call = 0; call < 2; call++) expectClose(tf.grad(loss)(vector(3)), [4]);
  });
});
