import { disposeTree, mapTree, ravel, type Tree, treeLeaves } from '@eflow/tensor';
import { expectClose } from '@eflow/testing';
import * as tf from '@tensorflow/tfjs-core';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type AdamWCoefficients, adamW } from './adamw.ts';
import fixtures from './fixtures/torch.json' with { type: 'json' };

const treeOf = (values: number[][]) => ({
  weight: tf.tensor(values[0]!, fixtures.shapes[0]),
  bias: tf.tensor(values[1]!, fixtures.shapes[1]),
});

/** Algorithm 2 of arXiv 1711.05101 as printed, in doubles, for one parameter; returns it after each gradient. */
function reference(start: number, grads: number[], rates: number[], [b1, b2]: number[], eps: number, decay: number) {
  let [p, m, v] = [start, 0, 0];
  return grads.map((g, i) => {
    m = b1! * m + (1 - b1!) * g;
    v = b2! * v + (1 - b2!) * g * g;
    const mHat = m / (1 - b1! ** (i + 1));
    const vHat = v / (1 - b2! ** (i + 1));
    p -= rates[i]! * (mHat / (Math.sqrt(vHat) + eps) + decay * p);
    return p;
  });
}

describe('adamW', () => {
  it('agrees with a float64 reference for any options, gradients and schedule', () => {
    const anyNumber = fc.double({ min: -10, max: 10, noNaN: true });
    const anyGradient = fc
      .tuple(fc.constantFrom(-1, 1), fc.double({ min: 0.1, max: 10, noNaN: true }))
      .map(([s, x]) => s * x);
    fc.assert(
      fc.property(
        anyNumber,
        fc.array(anyGradient, { minLength: 1, maxLength: 12 }),
        fc.tuple(fc.double({ min: 0, max: 0.95, noNaN: true }), fc.double({ min: 0, max: 0.999, noNaN: true })),
        fc.double({ min: 1e-8, max: 1e-1, noNaN: true }),
        fc.double({ min: 0, max: 0.5, noNaN: true }),
        (start, grads, betas, eps, weightDecay) => {
          const single = grads.map(Math.fround); // what the optimizer is given
          const rates = grads.map((_, i) => 0.1 / (i + 1));
          const optimizer = adamW({ learningRate: (step) => rates[step]!, betas, eps, weightDecay });
          tf.tidy(() => {
            let params: tf.Tensor = tf.scalar(start);
            let state = optimizer.init(params);
            const actual = single.map((grad, step) => {
              ({ params, state } = optimizer.update(tf.scalar(grad), state, params, optimizer.coefficients(step)));
              return params.dataSync()[0]!;
            });
            const expected = reference(Math.fround(start), single, rates, betas, eps, weightDecay);
            expectClose(actual, expected, { rtol: 0, atol: 1e-6 * Math.max(10, ...expected.map(Math.abs)) });
          });
        },
      ),
      { numRuns: 60 },
    );
  });

  it.each(fixtures.adamw)('agrees with torch.optim.AdamW (reference/optim_fixtures.py), $options', (run) => {
    const { lr, betas, eps, weight_decay } = run.options;
    const optimizer = adamW({ learningRate: lr, betas: betas as [number, number], eps, weightDecay: weight_decay });
    tf.tidy(() => {
      let params = treeOf(fixtures.initial);
      let state = optimizer.init(params);
      fixtures.grads.forEach((grads, step) => {
        ({ params, state } = optimizer.update(treeOf(grads), state, params, optimizer.coefficients(step)));
        treeLeaves(params).forEach((leaf, i) => {
          expectClose(leaf, run.after[step]![i]!, { rtol: 2e-6, atol: 2e-7 });
        });
      });
    });
  });

  it('does the same to a raveled tree', () => {
    const optimizer = adamW({ learningRate: 0.1, weightDecay: 0.1 });
    tf.tidy(() => {
      const params = treeOf(fixtures.initial);
      const grads = treeOf(fixtures.grads[0]!);
      const apart = optimizer.update(grads, optimizer.init(params), params, optimizer.coefficients(0));
      const { vector, unravel } = ravel(params);
      const together = optimizer.update(ravel(grads).vector, optimizer.init(vector), vector, optimizer.coefficients(0));
      const leaves = treeLeaves(unravel(together.params));
      treeLeaves(apart.params).forEach((leaf, i) => {
        expectClose(leaves[i]!, leaf, { rtol: 0, atol: 0 });
      });
    });
  });

  it.each([0, 0.1])('takes its coefficients as scalars, to the same bits, with weight decay %d', (weightDecay) => {
    const optimizer = adamW({ learningRate: (step) => 0.1 / (step + 1), weightDecay });
    tf.tidy(() => {
      let [params, others] = [treeOf(fixtures.initial), treeOf(fixtures.initial)];
      let [state, otherState] = [optimizer.init(params), optimizer.init(others)];
      fixtures.grads.forEach((grads, step) => {
        const numbers = optimizer.coefficients(step);
        const scalars = {
          shrink: tf.scalar(numbers.shrink),
          stepSize: tf.scalar(numbers.stepSize),
          eps: tf.scalar(numbers.eps),
        };
        ({ params, state } = optimizer.update(treeOf(grads), state, params, numbers));
        ({ params: others, state: otherState } = optimizer.update(treeOf(grads), otherState, others, scalars));
        const values = (tree: Tree) => treeLeaves(tree).map((leaf) => Array.from(leaf.dataSync()));
        expect(values([others, otherState])).toEqual(values([params, state]));
      });
    });
  });

  it('continues from a saved state as if never interrupted, to the bit', () => {
    const optimizer = adamW({ learningRate: 0.1 });
    tf.tidy(() => {
      let params = treeOf(fixtures.initial);
      let state = optimizer.init(params);
      const copy = <T extends Tree>(tree: T) => mapTree(tree, (leaf) => tf.tensor(leaf.dataSync(), leaf.shape));
      let other = { params, state };
      fixtures.grads.forEach((grads, step) => {
        ({ params, state } = optimizer.update(treeOf(grads), state, params, optimizer.coefficients(step)));
        const again = adamW({ learningRate: 0.1 });
        other = again.update(treeOf(grads), copy(other.state), copy(other.params), again.coefficients(step));
      });
      expectClose(other.params.weight, params.weight, { rtol: 0, atol: 0 });
      expectClose(other.state.secondMoment.bias, state.secondMoment.bias, { rtol: 0, atol: 0 });
    });
  });

  it('leaves its arguments alone and holds a constant number of tensors over 50 updates', () => {
    const optimizer = adamW({ learningRate: 0.1, weightDecay: 0.1 });
    const grads = treeOf(fixtures.grads[0]!);
    const initial = treeOf(fixtures.initial);
    let params = initial;
    let state = optimizer.init(params);
    const before = tf.memory().numTensors;
    for (let step = 0; step < 50; step++) {
      const next = optimizer.update(grads, state, params, optimizer.coefficients(step));
      disposeTree(state);
      if (params !== initial) disposeTree(params);
      ({ params, state } = next);
      expect(tf.memory().numTensors).toBe(before + 2); // the new params beside the initial ones
    }
    expectClose(initial.weight, fixtures.initial[0]!, { rtol: 0, atol: 0 });
    expectClose(grads.bias, fixtures.grads[0]![1]!, { rtol: 0, atol: 0 });
    disposeTree([grads, initial, params, state]);
    expect(tf.memory().numTensors).toBe(before - 8);
  });

  it('does not move without gradient and decay, nor divide by zero', () => {
    tf.tidy(() => {
      const optimizer = adamW({ learningRate: 1 });
      const params = tf.tensor1d([1, -2, 0]);
      const { params: same } = optimizer.update(
        tf.zerosLike(params),
        optimizer.init(params),
        params,
        optimizer.coefficients(0),
      );
      expectClose(same, [1, -2, 0]);
    });
  });

  it.each([
    [{ learningRate: -1 }, 'learningRate is -1; expected a finite number >= 0'],
    [{ learningRate: Number.NaN }, 'learningRate is NaN'],
    [{ learningRate: Infinity }, 'learningRate is Infinity'],
    [{ learningRate: 1, betas: [1, 0.9] as const }, 'betas are [1, 0.9]; expected both in [0, 1)'],
    [{ learningRate: 1, betas: [0.9, -0.1] as const }, 'betas are [0.9, -0.1]'],
    [{ learningRate: 1, betas: [0.9, Number.NaN] as const }, 'betas are [0.9, NaN]'],
    [{ learningRate: 1, eps: 0 }, 'eps is 0'],
    [{ learningRate: 1, weightDecay: -0.1 }, 'weightDecay is -0.1'],
  ])('refuses %o', (options, message) => {
    expect(() => adamW(options)).toThrow(message);
  });

  it('refuses a bad step, a bad scheduled rate and trees that differ, and leaks nothing then', () => {
    const optimizer = adamW({ learningRate: (step) => (step === 3 ? Number.NaN : 1) });
    const params = { a: tf.zeros([2]), b: tf.zeros([3]) };
    const state = optimizer.init(params);
    const before = tf.memory().numTensors;
    expect(() => optimizer.coefficients(-1)).toThrow('step is -1; expected an integer >= 0');
    expect(() => optimizer.coefficients(1.5)).toThrow('step is 1.5');
    expect(() => optimizer.coefficients(3)).toThrow('learningRate is NaN');
    const good = optimizer.coefficients(0);
    const update =
      (grads: Tree, coefficients: AdamWCoefficients = good) =>
      () =>
        optimizer.update(grads as typeof params, state, params, coefficients);
    expect(update(params, { ...good, stepSize: Number.NaN })).toThrow('stepSize is NaN; expected a finite number');
    expect(update(params, { ...good, eps: params.a as tf.Tensor as tf.Scalar })).toThrow('eps is [2]; expected');
    expect(() => optimizer.update(params, { momentum: params } as never, params, good)).toThrow(
      'adamW: the state is of another optimizer; begin with init(params) of this one',
    );
    expect(update({ a: params.a })).toThrow("params has a leaf 'b', and grads has none");
    expect(update({ a: params.a, b: params.a })).toThrow("expected grads 'b' [3], got [2]");
    expect(update({ ...params, c: params.a })).toThrow("grads has a leaf 'c', and params has none");
    expect(tf.memory().numTensors).toBe(before);
  });
});
