import '@tensorflow/tfjs-backend-cpu';
import * as tf from '@tensorflow/tfjs-core';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { valueAndGrad } from './gradient.ts';
import { createStream, randomNormal, splitStream } from './random.ts';
import { BARRIER_KERNEL, rematerialise } from './rematerialise.ts';
import { withoutTape } from './tape.ts';
import { disposeTree, treeLeaves } from './tree.ts';

type Layer = { weight: tf.Tensor; bias: tf.Tensor };
type LayerInputs = { layer: Layer; x: tf.Tensor; order: tf.Tensor };

/** A layer with several intermediates and an input that is no float: rows of tanh(x W + b) exp(-x^2), reordered. */
const applyLayer = ({ layer, x, order }: LayerInputs) =>
  tf.tidy(() => {
    const activated = tf.tanh(tf.add(tf.matMul(x as tf.Tensor2D, layer.weight as tf.Tensor2D), layer.bias));
    return tf.gather(tf.mul(activated, tf.exp(tf.neg(tf.square(x)))), order as tf.Tensor1D);
  });
const rematerialiseLayer = (inputs: LayerInputs) => rematerialise(applyLayer, inputs);

const draw = (seed: number, label: string, shape: number[]) =>
  randomNormal(splitStream(createStream(seed), label), shape);

/** The sum of squares of a chain of layers, each through `apply`, and its gradients; the caller owns them. */
function chain(apply: (inputs: LayerInputs, index: number) => tf.Tensor, depth: number, seed: number) {
  const params = {
    layers: Array.from({ length: depth }, (_, i) => ({
      weight: draw(seed, `weight${i}`, [5, 5]),
      bias: draw(seed, `bias${i}`, [5]),
    })),
    x: draw(seed, 'x', [3, 5]),
  };
  const order = tf.tensor1d([2, 0, 1], 'int32');
  const numTensors = { before: tf.memory().numTensors, between: 0 };
  /** The identity; its gradient is asked for first, when all that the tape keeps is still there. */
  const watch = tf.customGrad((x) => ({
    value: tf.clone(x as tf.Tensor),
    gradFunc: (dy) => {
      numTensors.between = tf.memory().numTensors;
      return tf.clone(dy);
    },
  }));
  const result = tf.tidy(() =>
    valueAndGrad(() => {
      const y = params.layers.reduce((x, layer, i) => apply({ layer, x, order }, i), params.x);
      return { loss: tf.sum(tf.square(watch(y))) as tf.Scalar };
    }, params),
  );
  disposeTree(params);
  order.dispose();
  return { ...result, kept: numTensors.between - numTensors.before };
}

const numbers = (x: tf.Tensor) => Array.from(x.dataSync());

describe('rematerialise', () => {
  it('gives the value and the gradients that the function has without it, to the bit, and leaves nothing behind', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 4 }), fc.nat(), (depth, seed) => {
        const before = tf.memory().numTensors;
        const plain = chain(applyLayer, depth, seed);
        const again = chain(rematerialiseLayer, depth, seed);
        const everyOther = chain((inputs, i) => (i % 2 ? applyLayer : rematerialiseLayer)(inputs), depth, seed);
        for (const other of [again, everyOther]) {
          expect(numbers(other.values.loss)).toEqual(numbers(plain.values.loss));
          expect(treeLeaves(other.grads).map(numbers)).toEqual(treeLeaves(plain.grads).map(numbers));
          expect(treeLeaves(other.grads).every((grad) => numbers(grad).some((value) => value !== 0))).toBe(true);
        }
        for (const { values, grads } of [plain, again, everyOther]) disposeTree([values, grads]);
        expect(tf.memory().numTensors).toBe(before);
      }),
      { numRuns: 20 },
    );
  });

  it('keeps the inputs alone from the forward pass to the gradient', () => {
    const depth = 6;
    const plain = chain(applyLayer, depth, 1);
    const again = chain(rematerialiseLayer, depth, 1);
    expect(again.kept).toBeLessThan(plain.kept / 2);
    // A copy of the four inputs of each layer; and what the loss around them keeps.
    expect(again.kept - chain(rematerialiseLayer, 1, 1).kept).toBe(4 * (depth - 1));
  });

  it('may be nested', () => {
    const nested = (inputs: LayerInputs) =>
      rematerialise((outer) => rematerialiseLayer({ ...outer, x: rematerialiseLayer(outer) }), inputs);
    const plain = (inputs: LayerInputs) => applyLayer({ ...inputs, x: applyLayer(inputs) });
    const [expected, actual] = [chain(plain, 3, 2), chain(nested, 3, 2)];
    expect(treeLeaves(actual.grads).map(numbers)).toEqual(treeLeaves(expected.grads).map(numbers));
    for (const { values, grads } of [expected, actual]) disposeTree([values, grads]);
  });

  it('counts a tensor twice that is given twice, and an input that takes no part as zero', () => {
    tf.tidy(() => {
      const params = { a: tf.scalar(2), b: tf.scalar(5) };
      const square = ({ u, v }: { u: tf.Tensor; v: tf.Tensor; unused: tf.Tensor }) => tf.mul(tf.square(u), v);
      const { grads } = valueAndGrad(
        () => ({ loss: rematerialise(square, { u: params.a, v: params.a, unused: params.b }) as tf.Scalar }),
        params,
      );
      expect(numbers(grads.a)).toEqual([12]); // d/da a^3
      expect(numbers(grads.b)).toEqual([0]);
      disposeTree(grads);
    });
  });

  it('runs the function once where no gradient is taken, and refuses a gradient of its gradient', () => {
    const numTensors = tf.memory().numTensors;
    tf.tidy(() => {
      let runs = 0;
      const cube = (x: tf.Tensor) =>
        rematerialise(
          ({ y }) => {
            runs++;
            return tf.mul(tf.square(y), y);
          },
          { y: x },
        );
      expect(numbers(cube(tf.scalar(2)))).toEqual([8]);
      expect(runs).toBe(1);
      const second = () => tf.grad(tf.grad(cube))(tf.scalar(2));
      expect(() => withoutTape(second)).toThrow('a gradient of its gradient');
    });
    expect(tf.memory().numTensors).toBe(numTensors);
  });

  it('places what is computed again behind the gradient that asks for it, where the backend has a barrier', async () => {
    const log: string[] = [];
    const before = tf.getBackend();
    await tf.setBackend('cpu');
    tf.registerKernel({
      kernelName: BARRIER_KERNEL,
      backendName: 'cpu',
      kernelFunc: ({ inputs, backend }) => {
        const { x, after } = inputs as { x: tf.TensorInfo; after: tf.TensorInfo };
        log.push(`${x.dtype} [${x.shape}] after [${after.shape}]`);
        (backend as tf.KernelBackend).incRef(x.dataId);
        return x;
      },
    });
    try {
      const plain = chain(applyLayer, 1, 3);
      const logged = (inputs: LayerInputs) => {
        log.push('run');
        return applyLayer(inputs);
      };
      const again = chain((inputs) => rematerialise(logged, inputs), 1, 3);
      expect(log).toEqual([
        'run',
        'float32 [5,5] after [3,5]',
        'float32 [5] after [3,5]',
        'float32 [3,5] after [3,5]',
        'int32 [3] after [3,5]',
        'run',
      ]);
      expect(treeLeaves(again.grads).map(numbers)).toEqual(treeLeaves(plain.grads).map(numbers));
    } finally {
      tf.unregisterKernel(BARRIER_KERNEL, 'cpu');
      await tf.setBackend(before);
    }
  });
});
