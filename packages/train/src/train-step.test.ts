import { compile, useTensorFlow } from '@eflow/engine';
import { createObjective, type Network } from '@eflow/flow';
import { adamW, clipByGlobalNorm, emaDecay, updateEma } from '@eflow/optim';
import { type Compile, createStream, disposeTree, randomNormal, ravel, splitStream, valueAndGrad } from '@eflow/tensor';
import { expectClose } from '@eflow/testing';
import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, it, vi } from 'vitest';
import { createTrainStep, initState, objectiveLoss } from './index.ts';

beforeAll(async () => void (await useTensorFlow()));

type Line = { slope: tf.Tensor2D; offset: tf.Tensor1D };
type Points = { x: tf.Tensor2D; y: tf.Tensor2D };

const optimizer = adamW({ learningRate: (step) => 0.1 / (step + 1), weightDecay: 0.01 });
const initial = (): Line => ({ slope: tf.tensor2d([[1, -2, 0.5]]), offset: tf.tensor1d([0.25]) });
const pointsAt = (step: number): Points =>
  tf.tidy(() => {
    const stream = splitStream(createStream(3), step);
    const x = randomNormal(splitStream(stream, 'x'), [7, 3]) as tf.Tensor2D;
    return { x, y: randomNormal(splitStream(stream, 'y'), [7, 1]) as tf.Tensor2D };
  });

/** Mean square of the line's error on points that noise of the step's stream moves, `strength` of it. */
function loss({ slope, offset }: Line, { x, y }: Points, noise: tf.Tensor, strength: number | tf.Scalar) {
  const moved = tf.add(x, tf.mul(noise, strength));
  const error = tf.sub(tf.add(tf.matMul(moved, slope, false, true), offset), y);
  return { loss: tf.mean(tf.square(error)) as tf.Scalar, largest: tf.max(tf.abs(error)) as tf.Scalar };
}

const strengthAt = (step: number) => 0.5 / (step + 1);

function createLineStep(compile?: Compile, power = () => 1) {
  return createTrainStep({
    optimizer,
    clipNorm: 0.5,
    emaDecay: 0.9,
    seed: 5,
    scheduleAt: (step) => ({ strength: strengthAt(step) }),
    fixedAt: () => ({ power: power() }),
    loss: (params: Line, points: Points, { stream, schedule, fixed }) => {
      const noise = tf.pow(randomNormal(splitStream(stream, 'noise'), [7, 3]), fixed.power);
      return loss(params, points, noise, schedule.strength);
    },
    compile,
  });
}

/** A few steps written out with the packages below, a leaf at a time. */
function stepsByHand(count: number) {
  let params = initial();
  let ema = { slope: tf.clone(params.slope), offset: tf.clone(params.offset) };
  let moments = optimizer.init(params);
  const losses: number[][] = [];
  for (let step = 0; step < count; step++) {
    const stream = splitStream(splitStream(createStream(5), 'train'), step);
    const noise = randomNormal(splitStream(stream, 'noise'), [7, 3]);
    const { values, grads } = valueAndGrad(() => loss(params, pointsAt(step), noise, strengthAt(step)), params);
    const clipped = clipByGlobalNorm(grads, 0.5);
    const next = optimizer.update(clipped.grads, moments, params, optimizer.coefficients(step));
    ema = updateEma(ema, next.params, emaDecay(step, { decay: 0.9 }));
    [params, moments] = [next.params, next.state];
    losses.push([values.loss, values.largest, clipped.norm].map((scalar) => scalar.dataSync()[0]!));
  }
  return { losses, params: ravel(params).vector.dataSync(), ema: ravel(ema).vector.dataSync() };
}

function start() {
  const params = initial();
  const state = initState(params);
  disposeTree(params);
  return state;
}

describe.each<[string, Compile | undefined]>([
  ['op by op', undefined],
  ['compiled', compile],
])('createTrainStep, %s', (_, compileWith) => {
  it('makes the steps that the parts make by hand', () => {
    const expected = tf.tidy(() => stepsByHand(4));
    const state = start();
    const trainStep = createLineStep(compileWith);
    for (const [step, [wantedLoss, largest, gradNorm]] of expected.losses.entries()) {
      const points = pointsAt(step);
      const losses = trainStep(state, points);
      disposeTree(points);
      expect(Object.keys(losses).sort()).toEqual(['gradNorm', 'largest', 'loss']);
      expectClose([losses.loss, losses.largest, losses.gradNorm], [wantedLoss!, largest!, gradNorm!], { rtol: 1e-5 });
    }
    expect(state.step).toBe(4);
    expectClose(state.weights.params.dataSync(), expected.params, { rtol: 1e-5 });
    expectClose(state.weights.ema.dataSync(), expected.ema, { rtol: 1e-5 });
    disposeTree(state.weights);
  });

  it('goes on from a state of before as if it had not stopped, and leaves no tensor', () => {
    const before = tf.memory().numTensors;
    const run = (stops: number[]) => {
      const state = start();
      for (const stop of stops) {
        const trainStep = createLineStep(compileWith);
        while (state.step < stop) {
          const points = pointsAt(state.step);
          trainStep(state, points);
          disposeTree(points);
        }
      }
      const { params, ema } = state.weights;
      const values = [...params.dataSync(), ...ema.dataSync()];
      disposeTree(state.weights);
      return values;
    };
    expect(run([2, 5])).toEqual(run([5]));
    expect(tf.memory().numTensors).toBe(before);
  });

  it('changes no weight at a loss that is not finite, says why, and counts the step', () => {
    const state = start();
    const trainStep = createLineStep(compileWith);
    const { x, y } = pointsAt(0);
    const spoilt = { x, y: tf.mul(y, Number.NaN) as tf.Tensor2D };
    const params = [...state.weights.params.dataSync()];
    const tensors = tf.memory().numTensors;
    const { skipped, loss } = trainStep(state, spoilt);
    expect(skipped).toBe("the loss is NaN and its gradient's norm NaN");
    expect(loss).toBeNaN();
    expect([...state.weights.params.dataSync()]).toEqual(params);
    expect(tf.memory().numTensors).toBe(tensors);
    expect(state).toMatchObject({ step: 1, guard: { skipped: 1, notFiniteInARow: 1 } });
    expect(trainStep(state, { x, y }).skipped).toBeUndefined();
    expect(state).toMatchObject({ step: 2, guard: { skipped: 1, notFiniteInARow: 0 } });
    disposeTree([x, y, spoilt, state.weights]);
  });
});

it('compiles one graph while the schedule changes, and another where what is fixed does', () => {
  const traced = vi.fn();
  const watched: Compile = (fn, hints) =>
    compile((...args: Parameters<typeof fn>) => {
      traced(hints?.name);
      return fn(...args);
    }, hints);
  const state = start();
  let power = 1;
  const trainStep = createLineStep(watched, () => power);
  const points = pointsAt(0);
  for (let i = 0; i < 3; i++) trainStep(state, points);
  const steps = () => traced.mock.calls.filter(([name]) => name === 'train step').length;
  const first = steps();
  power = 2;
  trainStep(state, points);
  expect([first, steps()]).toEqual([1, 2]);
  disposeTree([points, state.weights]);
});

it('serves several states in turn, each with one graph of its own', () => {
  const traced = vi.fn();
  const watched: Compile = (fn, hints) =>
    compile((...args: Parameters<typeof fn>) => {
      traced(hints?.name);
      return fn(...args);
    }, hints);
  const [one, other] = [start(), start()];
  const trainStep = createLineStep(watched);
  const points = pointsAt(0);
  const losses = [one, other, one, other].map((state) => trainStep(state, points).loss);
  expect([losses[1], losses[3]]).toEqual([losses[0], losses[2]]);
  expect(losses[2]).not.toBe(losses[0]);
  expect(traced.mock.calls.filter(([name]) => name === 'train step')).toHaveLength(2);
  disposeTree([points, one.weights, other.weights]);
});

describe('objectiveLoss', () => {
  const network: Network = ({ noisy }) => tf.mul(noisy, 0.5);
  const shape = [8, 3];

  it.each([
    [1, 0],
    [2, 1],
  ])('with a guidance scale of %d asks the weak path %d times', (guidanceScale, asked) => {
    const objective = createObjective({ kind: 'eflow', guidanceScale, guidanceWarmup: 0.5 });
    const weak = vi.fn(network);
    const stream = createStream(1);
    tf.tidy(() => {
      const data = randomNormal(splitStream(stream, 'data'), shape);
      const condition = tf.zeros([8], 'int32');
      const batch = { data, condition, nullCondition: tf.onesLike(condition) };
      const schedule = { intervalRatio: tf.scalar(0.1), guidanceScale: tf.scalar(guidanceScale) };
      const { loss, ...terms } = objectiveLoss(objective, { strong: network, weak }, batch, { stream, schedule });
      expect(loss.dataSync()[0]).toBeGreaterThan(0);
      expect(Object.keys(terms).sort()).toEqual(['additivityLoss', 'solutionLoss', 'velocityLoss']);
    });
    expect(weak).toHaveBeenCalledTimes(asked);
  });
});
