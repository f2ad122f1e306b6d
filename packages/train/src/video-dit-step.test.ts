import { compile } from '@eflow/engine';
import { createObjective, type Network, type Networks, OBJECTIVES } from '@eflow/flow';
import { adamW } from '@eflow/optim';
import { createStream, disposeTree, randomNormal, splitStream } from '@eflow/tensor';
import { expectClose } from '@eflow/testing';
import { bindVideoDiT, drawKeptTokens, initVideoDiT, type VideoDiTConfig, type VideoDiTParams } from '@eflow/video-dit';
import * as tf from '@tensorflow/tfjs-core';
import { describe, expect, it, vi } from 'vitest';
import { createTrainStep, createVideoDiTStep, disposeState, initState, objectiveLoss } from './index.ts';
import type { VideoBatch, VideoDiTStepOptions } from './video-dit-step.ts';

const network: VideoDiTConfig = {
  channels: 1,
  patchSize: [1, 2, 2],
  hiddenSize: 12,
  depth: [1, 1, 1],
  numHeads: 2,
  numClasses: 3,
};
const B = 4;
const clip = [2, 4, 4, 1]; // 8 tokens
const batchAt = (step: number, { labelled = true } = {}): VideoBatch => ({
  data: randomNormal(splitStream(createStream(7), step), [B, ...clip]),
  ...(labelled && { condition: { labels: tf.tensor1d([0, 1, 2, 0], 'int32') } }),
});

/** What steps return and leave of the weights. */
function run(trainStep: ReturnType<typeof createVideoDiTStep>, steps: number, config = network) {
  const params = initVideoDiT(createStream(1), config);
  const state = initState(params);
  disposeTree(params);
  const losses = Array.from({ length: steps }, (_, step) => {
    const batch = batchAt(step, { labelled: config.numClasses !== 0 });
    const values = trainStep(state, batch);
    disposeTree(batch);
    return values;
  });
  const weights = [state.weights.params, state.weights.ema].map((vector) => [...vector.dataSync()]);
  disposeState(state);
  return { losses, weights };
}

/** EFlow written out, with the numbers of its defaults, on a network's two paths. */
function byHand(totalSteps: number, bind = (params: VideoDiTParams): Networks => bindVideoDiT(params, network)) {
  const objective = createObjective({ kind: 'eflow' });
  return createTrainStep({
    optimizer: adamW({ learningRate: 1e-4, betas: [0.9, 0.99], eps: 1e-8, weightDecay: 0 }),
    clipNorm: 1,
    emaDecay: 0.9999,
    seed: 0,
    scheduleAt: (step) => objective.scheduleAt(step / totalSteps),
    fixedAt: (step) => ({ keepRatio: step / totalSteps < 0.95 ? 0.25 : 1 }),
    loss: (
      params: VideoDiTParams,
      { data, condition = {} }: VideoBatch,
      { stream, schedule, fixed: { keepRatio } },
    ) => {
      const drop = { batchSize: B, grid: [2, 2, 2] as const, keepRatio, pattern: 'uniform' as const };
      const keptTokens = keepRatio < 1 ? drawKeptTokens(splitStream(stream, 'keptTokens'), drop) : undefined;
      const batch = { data, condition, nullCondition: { labels: tf.fill([B], 3, 'int32') }, keptTokens };
      return objectiveLoss(objective, bind(params), batch, { stream, schedule });
    },
  });
}

describe('createVideoDiTStep', () => {
  it('is EFlow by its defaults: token drop, a dense tail, AdamW, clipping, the average, to the bit', () => {
    const totalSteps = 20; // the last step of them is dense
    expect(run(createVideoDiTStep(network, { totalSteps }), 20)).toEqual(run(byHand(totalSteps), 20));
  });

  it('of a network that predicts the data, is EFlow on the velocities that they stand for', () => {
    const asVelocity =
      (path: Network): Network =>
      (input) =>
        tf.tidy(() => {
          const divisor = tf.reshape(tf.maximum(input.timestep, 0.05), [-1, 1, 1, 1, 1]);
          return tf.div(tf.sub(input.noisy, path(input)), divisor);
        });
    const expected = run(
      byHand(6, (params) => {
        const { strong, weak } = bindVideoDiT(params, network);
        return { strong: asVelocity(strong), weak: asVelocity(weak) };
      }),
      6,
    );
    const { losses } = run(createVideoDiTStep({ ...network, predicts: 'data' }, { totalSteps: 6 }), 6);
    for (const [step, { loss, velocityLoss, gradNorm }] of losses.entries()) {
      const wanted = expected.losses[step]!;
      expect(loss).toBeCloseTo(wanted.loss, 4);
      expect(velocityLoss / wanted.velocityLoss!).toBeCloseTo(1, 4);
      expect(gradNorm / wanted.gradNorm).toBeCloseTo(1, 3);
    }
  });

  it.each(OBJECTIVES)('starts with finite losses where $kind is trained on predicted data, and learns', ({ kind }) => {
    const objective = createObjective({ kind });
    const data: VideoDiTConfig = { ...network, predicts: 'data' };
    const { losses, weights } = run(createVideoDiTStep(data, { totalSteps: 3, objective, compile }), 3);
    for (const step of losses) {
      for (const value of Object.values(step)) expect(Number.isFinite(value)).toBe(true);
      expect(step.gradNorm).toBeGreaterThan(0);
    }
    expect(weights).not.toEqual(run(createVideoDiTStep(network, { totalSteps: 3, objective, compile }), 3).weights);
  });

  it('hands every option on', () => {
    const base = run(createVideoDiTStep(network, { totalSteps: 4 }), 4);
    const changes: Partial<VideoDiTStepOptions>[] = [
      { objective: createObjective({ kind: 'flowMatching' }) },
      { keepRatio: 0.75 },
      { keepPattern: 'structured' },
      { denseTail: 0.5 },
      { totalSteps: 40, objective: createObjective({ kind: 'eflow', guidanceWarmup: 1 }) },
      { optimizer: adamW({ learningRate: 1e-2 }) },
      { clipNorm: 1e-3 },
      { emaDecay: 0 },
      { seed: 1 },
    ];
    for (const change of changes) {
      const { losses, weights } = run(createVideoDiTStep(network, { totalSteps: 4, ...change }), 4);
      for (const { loss, skipped } of losses) expect([Number.isFinite(loss), skipped]).toEqual([true, undefined]);
      expect(weights, Object.keys(change).join()).not.toEqual(base.weights);
    }
    const watched = vi.fn(compile);
    run(createVideoDiTStep(network, { totalSteps: 4, compile: watched as typeof compile }), 1);
    expect(watched.mock.calls.map(([, hints]) => hints?.name)).toEqual([
      'clip',
      'average',
      'apply gradient',
      'train step',
    ]);
  });

  it('gives compiled what it gives op by op', () => {
    const [eager, compiled] = [{}, { compile }].map((how) =>
      run(createVideoDiTStep(network, { totalSteps: 4, ...how }), 4),
    );
    for (const [step, { loss, velocityLoss, gradNorm }] of eager!.losses.entries()) {
      expect(compiled!.losses[step]!.loss).toBeCloseTo(loss, 4);
      expect(compiled!.losses[step]!.velocityLoss).toBeCloseTo(velocityLoss!, 4);
      expect(compiled!.losses[step]!.gradNorm / gradNorm).toBeCloseTo(1, 3);
    }
  });

  it.each([
    ['in micro batches', 'op by op', { microBatches: 2 }, {}],
    ['in micro batches', 'compiled', { microBatches: 2 }, { compile }],
    ['in branches', 'op by op', { branches: 2 }, {}],
    ['in branches', 'compiled', { branches: 2 }, { compile }],
  ])('%s makes the update of the whole batch, %s, the same at every run, and leaves no tensor', (_, _how, cut, how) => {
    // A weight in the moving average moves as the gradient does: AdamW's first update is of the gradient's sign alone.
    const objective = createObjective({ kind: 'eflow', velocityRatio: 0.5, guidanceScale: 2, pathDropProb: 0.5 });
    const options = {
      totalSteps: 4,
      objective,
      optimizer: adamW({ eps: 1 }),
      clipNorm: Number.POSITIVE_INFINITY,
      ...how,
    };
    const whole = run(createVideoDiTStep(network, options), 3);
    const parts = () => run(createVideoDiTStep(network, { ...options, ...cut }), 3);
    const first = parts();
    for (const [step, wanted] of whole.losses.entries()) {
      expect(Object.keys(first.losses[step]!)).toEqual(Object.keys(wanted));
      expectClose(Object.values(first.losses[step]!) as number[], Object.values(wanted) as number[], { rtol: 2e-5 });
    }
    for (const i of [0, 1]) expectClose(first.weights[i]!, whole.weights[i]!, { rtol: 1e-6, atol: 1e-8 });
    const before = tf.memory().numTensors;
    expect(parts()).toEqual(first);
    expect(tf.memory().numTensors).toBe(before);
  });

  it.each([
    ['with classes', network],
    ['without', { ...network, numClasses: 0 }],
  ])('takes micro batches, compiled, where no tokens are dropped: a network %s', (_, config) => {
    const objective = createObjective({ kind: 'eflow', velocityRatio: 0.5, velocityWarmup: 0.5 });
    const options = { totalSteps: 2, objective, keepRatio: 1, compile };
    const [whole, parts] = [1, 2].map((microBatches) =>
      run(createVideoDiTStep(config, { ...options, microBatches }), 2, config),
    );
    for (const [step, wanted] of whole!.losses.entries()) {
      expect(Object.keys(parts!.losses[step]!)).toEqual(Object.keys(wanted));
      expectClose(Object.values(parts!.losses[step]!) as number[], Object.values(wanted) as number[], { rtol: 2e-5 });
    }
  });

  it('refuses micro batches that a batch does not give, before anything is changed', () => {
    const trainStep = createVideoDiTStep(network, { totalSteps: 4, microBatches: 2 });
    const params = initVideoDiT(createStream(1), network);
    const state = initState(params);
    const batch = batchAt(0);
    expect(() => trainStep(state, batch)).toThrow(
      'a batch of 3 velocity rows and 1 jump rows cannot be cut into parts of 2 that are alike; parts can be of 4',
    );
    expect(state.step).toBe(0);
    disposeState(state);
    disposeTree([params, batch]);
    expect(() => createVideoDiTStep(network, { totalSteps: 4, microBatches: 0 })).toThrow(
      'createVideoDiTStep: microBatches is 0; expected the number of parts of a batch, from 1',
    );
  });

  it('trains a network without a condition, and leaves no tensor', () => {
    const { numClasses: _, ...plain } = network;
    const once = () => run(createVideoDiTStep(plain, { totalSteps: 2 }), 2, { ...plain, numClasses: 0 });
    once();
    const before = tf.memory().numTensors;
    const { losses } = once();
    expect(losses.map(({ skipped }) => skipped)).toEqual([undefined, undefined]);
    expect(tf.memory().numTensors).toBe(before);
  });

  it.each([0, -1, 2.5, Number.NaN, undefined])('refuses totalSteps %s', (totalSteps) => {
    expect(() => createVideoDiTStep(network, { totalSteps } as VideoDiTStepOptions)).toThrow(
      `createVideoDiTStep: totalSteps is ${totalSteps}; expected the number of steps, from 1`,
    );
  });

  it.each<[string, object, object, string]>([
    ['a keep ratio that cannot be', {}, { keepRatio: 0 }, 'keepRatio is 0; expected a share in (0, 1]'],
    ['a network that cannot be', { numHeads: 5 }, {}, 'hiddenSize 12 is not a multiple of numHeads 5'],
    ['a misspelt key of the network', { patchsize: [1, 2, 2] }, {}, "did you mean 'patchSize'"],
  ])('refuses %s before the first step', (_, change, options, message) => {
    const all = { totalSteps: 4, ...options };
    expect(() => createVideoDiTStep({ ...network, ...change } as VideoDiTConfig, all)).toThrow(message);
  });

  it('refuses clips of other channels and labels that are missing, at the step', () => {
    const params = initVideoDiT(createStream(1), network);
    const state = initState(params);
    const trainStep = createVideoDiTStep(network, { totalSteps: 4 });
    const data = tf.zeros([B, 2, 4, 4, 3]);
    expect(() => trainStep(state, { data })).toThrow(
      'createVideoDiTStep: expected data [B, F, H, W, 1], got [4, 2, 4, 4, 3]',
    );
    const gray = tf.zeros([B, ...clip]);
    expect(() => trainStep(state, { data: gray })).toThrow('the network has 3 classes; give condition.labels [4]');
    expect(state.step).toBe(0);
    disposeState(state);
    disposeTree([params, data, gray]);
  });
});

describe('a misspelt option is an error of the compiler, and names the nearest at run time', () => {
  it('of createVideoDiTStep', () => {
    // @ts-expect-error: no option of it
    expect(() => createVideoDiTStep(network, { totalSteps: 4, keepratio: 0.5 })).toThrow(
      "createVideoDiTStep: unknown option 'keepratio'; did you mean 'keepRatio'? Options: totalSteps, objective, keepRatio, ",
    );
    // @ts-expect-error: an option of createTrainStep alone
    expect(() => createVideoDiTStep(network, { totalSteps: 4, loss: () => ({}) })).toThrow("unknown option 'loss'");
  });

  it('of createTrainStep', () => {
    const loss = ({ x }: { x: tf.Scalar }) => ({ loss: tf.square(x) });
    // @ts-expect-error: no option of it
    expect(() => createTrainStep({ loss, emadecay: 0.5 })).toThrow(
      "createTrainStep: unknown option 'emadecay'; did you mean 'emaDecay'? Options: optimizer, clipNorm, emaDecay, seed, loss, ",
    );
    // @ts-expect-error: no option of it
    expect(() => createTrainStep({ loss, unravel: undefined })).toThrow("unknown option 'unravel'");
  });
});
