import { compile } from '@eflow/engine';
import { adamW, clipByGlobalNorm, emaDecay, initEma, muon, updateEma } from '@eflow/optim';
import {
  type Compile,
  cloneTree,
  createStream,
  disposeTree,
  randomNormal,
  ravel,
  splitStream,
  valueAndGrad,
} from '@eflow/tensor';
import { expectClose } from '@eflow/testing';
import { hiddenMatrices, initVideoDiT, type VideoDiTConfig } from '@eflow/video-dit';
import * as tf from '@tensorflow/tfjs-core';
import { describe, expect, it } from 'vitest';
import { createTrainStep, createVideoDiTStep, disposeState, initState } from './index.ts';

type Params = { first: tf.Tensor; bias: tf.Tensor; second: tf.Tensor };

const optimizer = muon({
  learningRate: (step) => 0.1 / (step + 1),
  weightDecay: 0.1,
  matrices: (name) => (name === 'bias' ? undefined : [1, 1]),
});
const draw = (label: string, shape: number[]) => randomNormal(splitStream(createStream(2), label), shape);
const initial = (): Params => ({
  first: draw('first', [3, 5]),
  bias: draw('bias', [5]),
  second: draw('second', [5, 3]),
});
const pointsAt = (step: number) => draw(`points ${step}`, [7, 3]);

/** How far a network of two layers is from giving its input back. */
const loss = ({ first, bias, second }: Params, x: tf.Tensor) => {
  const hidden = tf.tanh(tf.add(tf.matMul(x, first), bias));
  return { loss: tf.mean(tf.squaredDifference(tf.matMul(hidden, second), x)) as tf.Scalar };
};
const createStep = (compile?: Compile) => createTrainStep({ loss, optimizer, clipNorm: 0.5, emaDecay: 0.9, compile });

function start() {
  const params = initial();
  const state = initState(params, optimizer);
  disposeTree(params);
  return state;
}

/** Makes steps up to so many. */
function run(trainStep: ReturnType<typeof createStep>, state: ReturnType<typeof start>, steps: number) {
  const losses: number[] = [];
  while (state.step < steps) {
    const points = pointsAt(state.step);
    losses.push(trainStep(state, points).loss);
    points.dispose();
  }
  return losses;
}

/** Steps written out, on trees. */
function byHand(steps: number) {
  let params = initial();
  let state = optimizer.init(params);
  let ema = initEma(params);
  for (let step = 0; step < steps; step++) {
    const { values, grads } = valueAndGrad(() => loss(params, pointsAt(step)), params);
    const clipped = clipByGlobalNorm(grads, 0.5).grads;
    ({ params, state } = optimizer.update(clipped, state, params, optimizer.coefficients(step)));
    ema = updateEma(ema, params, emaDecay(step, { decay: 0.9 }));
    disposeTree([values, grads]); // which outlive a tidy
  }
  return [params, ema].map((tree) => ravel(tree).vector.dataSync());
}

describe.each<[string, Compile | undefined]>([
  ['op by op', undefined],
  ['compiled', compile],
])('an optimizer of matrices, %s', (_, compileWith) => {
  it('is given the tree of the parameters, makes the steps that it makes by hand, and leaves no tensor', () => {
    const before = tf.memory().numTensors;
    const state = start();
    run(createStep(compileWith), state, 4);
    const expected = tf.tidy(() => byHand(4));
    expectClose(state.weights.params.dataSync(), expected[0]!, { rtol: 1e-4, atol: 1e-5 });
    expectClose(state.weights.ema.dataSync(), expected[1]!, { rtol: 1e-4, atol: 1e-5 });
    disposeState(state);
    expect(tf.memory().numTensors).toBe(before);
  });

  it('goes on from its state as if it had not stopped, to the bit', () => {
    const whole = start();
    const losses = run(createStep(compileWith), whole, 5);
    const state = start();
    const parts = run(createStep(compileWith), state, 2);
    const resumed = { ...state, weights: cloneTree(state.weights) };
    disposeState(state);
    parts.push(...run(createStep(compileWith), resumed, 5));
    expect(parts).toEqual(losses);
    expect([...resumed.weights.params.dataSync()]).toEqual([...whole.weights.params.dataSync()]);
    disposeTree([whole.weights, resumed.weights]);
  });

  it.each([
    ['AdamW', adamW(), optimizer, 'muon: the state is of another optimizer'],
    ['Muon', optimizer, adamW(), 'adamW: the state is of another optimizer'],
  ])('a step refuses the state that %s began', (_, began, given, message) => {
    const params = initial();
    const state = initState(params, began);
    const points = pointsAt(0);
    const trainStep = createTrainStep({ loss, optimizer: given, compile: compileWith });
    expect(() => trainStep(state, points)).toThrow(message);
    expect(state.step).toBe(0);
    disposeState(state);
    disposeTree([params, points]);
  });
});

it('a VideoDiT trains by Muon on its hidden matrices', () => {
  const network: VideoDiTConfig = { channels: 1, patchSize: [1, 2, 2], hiddenSize: 12, depth: [1, 1, 1], numHeads: 2 };
  const before = tf.memory().numTensors;
  const params = initVideoDiT(createStream(1), network);
  const optimizer = muon({ learningRate: 0.01, matrices: hiddenMatrices(network) });
  const state = initState(params, optimizer);
  expect(Object.keys((state.weights.optimizer as ReturnType<typeof optimizer.init>).momentum)).toEqual([
    '12x12',
    '12x48',
    '48x12',
  ]);
  const trainStep = createVideoDiTStep(network, { totalSteps: 20, optimizer, compile });
  const data = draw('data', [4, 2, 4, 4, 1]);
  const losses = Array.from({ length: 20 }, () => trainStep(state, { data }).velocityLoss!);
  const mean = (values: number[]) => values.reduce((a, b) => a + b) / values.length;
  expect(mean(losses.slice(-5))).toBeLessThan(mean(losses.slice(0, 5)));
  disposeState(state);
  disposeTree([params, data]);
  expect(tf.memory().numTensors).toBe(before);
});
