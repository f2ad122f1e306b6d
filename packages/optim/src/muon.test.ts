import { compile } from '@eflow/engine';
import {
  createStream,
  disposeTree,
  mapTree,
  randomNormal,
  splitStream,
  type Tree,
  treeEntries,
  treeLeaves,
  uploadScalars,
} from '@eflow/tensor';
import { expectClose } from '@eflow/testing';
import * as tf from '@tensorflow/tfjs-core';
import { describe, expect, it } from 'vitest';
import fixtures from './fixtures/torch.json' with { type: 'json' };
import { adamW, type Matrices, type MuonCoefficients, type MuonOptions, muon } from './index.ts';

const draw = (label: string, shape: number[]) => randomNormal(splitStream(createStream(7), label), shape);

/** Three matrices side by side, two above each other, which are tall, and what is no matrix. */
const CUTS: Record<string, readonly [number, number]> = { 'layers.0.qkv': [1, 3], 'layers.1.join': [2, 1] };
const layers: Matrices = (name) => CUTS[name];

type Params = {
  layers: [{ qkv: tf.Tensor; bias: tf.Tensor }, { join: tf.Tensor }];
  embedding: tf.Tensor;
  scale: tf.Tensor;
};
const treeOf = (label: string): Params => ({
  layers: [
    { qkv: draw(`${label} qkv`, [4, 9]), bias: draw(`${label} bias`, [9]) },
    { join: draw(`${label} join`, [10, 4]) },
  ],
  embedding: draw(`${label} embedding`, [5, 4]),
  scale: draw(`${label} scale`, []),
});

const bits = (tree: Tree) => treeEntries(tree).map(([name, leaf]) => [name, ...leaf.dataSync()]);

describe('muon', () => {
  it.each(fixtures.muon.runs)('agrees with torch.optim.Muon (reference/optim_fixtures.py), $options', (run) => {
    const { lr, momentum, weight_decay: weightDecay } = run.options;
    const optimizer = muon({ learningRate: lr, momentum, weightDecay, matrices: () => [1, 1] });
    const { shapes, initial, grads } = fixtures.muon;
    type Named = Record<keyof typeof shapes, number[]>;
    const tensors = ({ wide, tall, square }: Named) => ({
      wide: tf.tensor(wide, shapes.wide),
      tall: tf.tensor(tall, shapes.tall),
      square: tf.tensor(square, shapes.square),
    });
    tf.tidy(() => {
      let params = tensors(initial);
      let state = optimizer.init(params);
      grads.forEach((grad, step) => {
        ({ params, state } = optimizer.update(tensors(grad), state, params, optimizer.coefficients(step)));
        for (const name of ['wide', 'tall', 'square'] as const) {
          expectClose(params[name], run.after[step]![name], { rtol: 2e-5, atol: 2e-5 });
        }
      });
    });
  });

  it('gives all that is no matrix to AdamW, without weight decay, to the same bits', () => {
    const options = { learningRate: 0.1, betas: [0.8, 0.9] as const, eps: 1e-3 };
    const [ours, adamWs] = [muon({ ...options, weightDecay: 0.5, matrices: layers }), adamW(options)];
    tf.tidy(() => {
      let [params, others] = [treeOf('params'), treeOf('params')];
      let [state, moments] = [ours.init(params), adamWs.init(others)];
      for (let step = 0; step < 3; step++) {
        const grads = treeOf(`grads ${step}`);
        ({ params, state } = ours.update(grads, state, params, ours.coefficients(step)));
        ({ params: others, state: moments } = adamWs.update(grads, moments, others, adamWs.coefficients(step)));
      }
      const rest = ({ layers, embedding, scale }: Params) => bits([layers[0].bias, embedding, scale]);
      expect(rest(params)).toEqual(rest(others));
      expect(bits(params.layers[0].qkv)).not.toEqual(bits(others.layers[0].qkv));
    });
  });

  it('updates matrices that lie in one leaf as matrices of their own', () => {
    const optimizer = muon({ learningRate: 0.1, weightDecay: 0.1, matrices: layers });
    const apartly = muon({ learningRate: 0.1, weightDecay: 0.1, matrices: () => [1, 1] });
    const apart = ({ layers }: Params) => [...tf.split(layers[0].qkv, 3, 1), ...tf.split(layers[1].join, 2, 0)];
    tf.tidy(() => {
      let params = treeOf('params');
      let matrices: Tree = apart(params);
      let [state, others] = [optimizer.init(params), apartly.init(matrices)];
      for (let step = 0; step < 3; step++) {
        const grads = treeOf(`grads ${step}`);
        ({ params, state } = optimizer.update(grads, state, params, optimizer.coefficients(step)));
        ({ params: matrices, state: others } = apartly.update(
          apart(grads),
          others,
          matrices,
          apartly.coefficients(step),
        ));
      }
      expect(bits(apart(params))).toEqual(bits(matrices));
    });
  });

  it('keeps matrices of one shape in one stack, and the moments of the others as vectors', () => {
    tf.tidy(() => {
      const state = muon({ matrices: layers }).init(treeOf('params'));
      const shapesOf = treeEntries(state).map(([name, leaf]) => [name, leaf.shape]);
      expect(shapesOf).toEqual([
        ['momentum.4x3', [3, 4, 3]],
        ['momentum.5x4', [2, 5, 4]],
        ['others.firstMoment.0', [30]],
        ['others.secondMoment.0', [30]],
      ]);
    });
  });

  it('moves every matrix by about 0.2 of the learning rate a number, whatever its shape and its gradient', () => {
    tf.tidy(() => {
      const optimizer = muon({ learningRate: 0.01, matrices: (name) => (name === 'bias' ? undefined : [1, 1]) });
      const params = { square: tf.zeros([48, 48]), tall: tf.zeros([96, 24]), wide: tf.zeros([24, 96]) };
      const grads = { square: draw('s', [48, 48]), tall: tf.mul(draw('t', [96, 24]), 1e-4), wide: draw('w', [24, 96]) };
      const next = optimizer.update(grads, optimizer.init(params), params, optimizer.coefficients(0)).params;
      for (const leaf of treeLeaves(next)) {
        const size = Math.sqrt(tf.mean(tf.square(leaf)).dataSync()[0]!);
        expect(size / 0.002).toBeGreaterThan(0.8);
        expect(size / 0.002).toBeLessThan(1.1);
      }
    });
  });

  it('gives compiled what it gives op by op, by one graph for all steps', () => {
    const optimizer = muon({ learningRate: (step) => 0.1 / (step + 1), weightDecay: 0.1, matrices: layers });
    type State = ReturnType<typeof optimizer.init>;
    const update = (grads: Params, state: State, params: Params, coefficients: MuonCoefficients) =>
      optimizer.update(grads, state, params, coefficients);
    const compiled = compile(update, { captures: 'refuse' });
    tf.tidy(() => {
      let eager = { params: treeOf('params'), state: optimizer.init(treeOf('params')) };
      let graph = eager;
      for (let step = 0; step < 4; step++) {
        const [grads, numbers] = [treeOf(`grads ${step}`), optimizer.coefficients(step)];
        eager = update(grads, eager.state, eager.params, numbers);
        graph = compiled(grads, graph.state, graph.params, uploadScalars(numbers) as MuonCoefficients);
        const [actual, expected] = [graph, eager].map(treeLeaves);
        for (const [i, leaf] of actual!.entries()) expectClose(leaf, expected![i]!, { rtol: 1e-4, atol: 1e-5 });
      }
    });
    compiled.dispose();
  });

  it('continues from a saved state as if never interrupted, to the bit', () => {
    const create = () => muon({ learningRate: 0.1, weightDecay: 0.1, matrices: layers });
    const copy = <T extends Tree>(tree: T) => mapTree(tree, (leaf) => tf.tensor(leaf.dataSync(), leaf.shape));
    tf.tidy(() => {
      const start = treeOf('params');
      let whole = { params: start, state: create().init(start) };
      let parts = whole;
      for (let step = 0; step < 4; step++) {
        const [optimizer, again] = [create(), create()];
        const grads = treeOf(`grads ${step}`);
        whole = optimizer.update(grads, whole.state, whole.params, optimizer.coefficients(step));
        parts = again.update(grads, copy(parts.state), copy(parts.params), again.coefficients(step));
      }
      expect(bits(parts)).toEqual(bits(whole));
    });
  });

  it('leaves its arguments alone and holds a constant number of tensors over 20 updates', () => {
    const optimizer = muon({ learningRate: 0.1, weightDecay: 0.1, matrices: layers });
    const [initial, grads] = [treeOf('params'), treeOf('grads')];
    const expected = bits([initial, grads]);
    let params = initial;
    let state = optimizer.init(params);
    const before = tf.memory().numTensors;
    for (let step = 0; step < 20; step++) {
      const next = optimizer.update(grads, state, params, optimizer.coefficients(step));
      disposeTree(state);
      if (params !== initial) disposeTree(params);
      ({ params, state } = next);
      expect(tf.memory().numTensors).toBe(before + 5); // the new params beside the initial ones
    }
    expect(bits([initial, grads])).toEqual(expected);
    disposeTree([grads, initial, params, state]);
    expect(tf.memory().numTensors).toBe(before - 14);
  });

  it.each<[Partial<MuonOptions>, string]>([
    [{ learningRate: -1 }, 'muon: learningRate is -1; expected a finite number >= 0'],
    [{ momentum: 1 }, 'muon: momentum is 1; expected a number in [0, 1)'],
    [{ momentum: Number.NaN }, 'muon: momentum is NaN'],
    [{ weightDecay: -0.1 }, 'muon: weightDecay is -0.1; expected a number >= 0'],
    [{ betas: [1, 0.9] }, 'betas are [1, 0.9]'],
    [{ eps: 0 }, 'eps is 0'],
    [{ matrices: undefined as never }, "muon: matrices is undefined; expected a function of a leaf's name"],
    [{ momentums: 0.9 } as object, "muon: unknown option 'momentums'; did you mean 'momentum'?"],
  ])('refuses %o', (options, message) => {
    expect(() => muon({ matrices: layers, ...options })).toThrow(message);
  });

  it('refuses trees without matrices, cuts that do not divide, states of others and bad coefficients, and leaks nothing', () => {
    const params = treeOf('params');
    const optimizer = muon({ matrices: layers });
    const state = optimizer.init(params);
    const good = optimizer.coefficients(0);
    const adamWs = adamW().init(params);
    const embeddings = muon({ matrices: (name) => (name === 'embedding' ? [1, 1] : undefined) }).init(params);
    const before = tf.memory().numTensors;
    const init = (matrices: Matrices) => () => muon({ matrices }).init(params);
    expect(init(() => undefined)).toThrow(
      'muon: no parameter is a matrix by the option matrices, so that all would be updated by AdamW; take adamW instead (in a config: optimizer.kind=adamw)',
    );
    expect(init(() => [1, 2])).toThrow(
      "muon: 'layers.0.qkv' is [4, 9], and matrices('layers.0.qkv') is [1, 2]; expected a leaf of two axes that these divide",
    );
    expect(init((name) => (name === 'scale' ? [1, 1] : undefined))).toThrow("muon: 'scale' is [], and");
    const update =
      (given: Tree, coefficients: MuonCoefficients = good, grads: Tree = params) =>
      () =>
        optimizer.update(grads, given as typeof state, params, coefficients);
    expect(update(adamWs)).toThrow(
      'muon: the state is of another optimizer; begin with init(params) of this one, or initState(params, optimizer) of @eflow/train',
    );
    expect(update(embeddings)).toThrow("muon: matrices has a leaf '4x3', and momentum has none");
    expect(update(state, { ...good, learningRate: Number.NaN })).toThrow(
      'muon: learningRate is NaN; expected a finite',
    );
    expect(update(state, { ...good, shrink: params.embedding as tf.Scalar })).toThrow('muon: shrink is [5, 4]');
    expect(update(state, good, { ...params, scale: params.embedding })).toThrow(
      "expected grads 'scale' [], got [5, 4]",
    );
    expect(() => optimizer.coefficients(-1)).toThrow('step is -1; expected an integer >= 0');
    expect(tf.memory().numTensors).toBe(before);
  });
});
