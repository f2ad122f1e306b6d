import { compile } from '@eflow/engine';
import {
  createStream,
  type RandomStream,
  randomNormal,
  randomUniform,
  uploadStream,
  valueAndGrad,
} from '@eflow/tensor';
import { expectClose, expectGradients, expectNoLeak } from '@eflow/testing';
import * as tf from '@tensorflow/tfjs-core';
import { describe, expect, it } from 'vitest';
import { POINT, pointMass } from '../fixtures/point-mass.ts';
import { toyBatch } from '../fixtures/toy-network.ts';
import { createObjective, OBJECTIVES, type ObjectiveSpec } from './create-objective.ts';
import type { Network, NetworkInput } from './network.ts';
import type { ObjectiveBatch, ObjectiveSchedule } from './objective.ts';
import { perExample } from './path.ts';
import { type Prediction, solutionNetworks } from './prediction.ts';
import { sampleEuler, sampleFewStep, sampleHeun, sampleWithRenoising } from './samplers.ts';
import { SOLUTION_MAPS, type SolutionMap, solutionMap } from './solution-map.ts';

const ROWS = 7;
const noisy = randomNormal(createStream(1), [ROWS, 3]);
const output = randomNormal(createStream(2), [ROWS, 3]);
const condition = tf.zeros([ROWS]);
/** Times on both sides of 0.05, the ends among them. */
const timestep = tf.tensor1d([1, 0.8, 0.3, 0.051, 0.03, 0.001, 0]);
const targetTimestep = tf.mul(timestep, randomUniform(createStream(3), [ROWS]));
const at: NetworkInput = { noisy, timestep, targetTimestep, condition };

/** N of a network that puts these data out. */
const ofData = (data: tf.Tensor, map: SolutionMap): Network => {
  const network: Network = (input) => tf.broadcastTo(data, input.noisy.shape);
  return solutionNetworks({ strong: network, weak: network }, 'data', map).strong;
};
/** B(t, s) of the two forms. */
const amount = (map: SolutionMap, t: number, s: number) =>
  map === 'euler' ? s - t : Math.sin((Math.PI / 2) * (s - t));

it('solutionNetworks leaves networks alone that put out N', () => {
  const networks = { strong: () => noisy, weak: () => output };
  for (const map of SOLUTION_MAPS) expect(solutionNetworks(networks, 'velocity', map)).toBe(networks);
});

it('solutionNetworks refuses what it does not know', () => {
  const networks = { strong: () => noisy, weak: () => output };
  expect(() => solutionNetworks(networks, 'noise' as Prediction, 'euler')).toThrow(
    "solutionNetworks: predicts is 'noise'; expected 'velocity' or 'data'",
  );
});

describe.each(SOLUTION_MAPS)('predicted data, %s map', (map) => {
  const network = ofData(output, map);

  it('leaves part of the way of x and adds data for the rest, as DDIM does; below 0.05 as from 0.05, by as much', () => {
    const [t, s] = [timestep, targetTimestep].map((time) => time.dataSync());
    const shares = Array.from(t!, (time, row) => {
      const from = Math.max(time, 0.05);
      const to = from + s![row]! - time;
      return { left: amount(map, to, 0) / amount(map, from, 0), data: amount(map, from, to) / amount(map, from, 0) };
    });
    const column = (part: 'left' | 'data') => tf.tensor2d(shares.map((share) => [share[part]]));
    const expected = tf.add(tf.mul(noisy, column('left')), tf.mul(output, column('data')));
    expectClose(solutionMap(noisy, network(at), timestep, targetTimestep, map), expected, { rtol: 1e-5, atol: 1e-5 });
  });

  it('stays where s = t, bit for bit, at t = 0 too', () => {
    const prediction = network({ ...at, targetTimestep: timestep });
    expect(Array.from(prediction.dataSync()).every(Number.isFinite)).toBe(true);
    expectClose(solutionMap(noisy, prediction, timestep, timestep, map), noisy, { rtol: 0, atol: 0 });
  });

  it('in one point are the exact flow of its own path', () => {
    const path = map === 'euler' ? 'linear' : 'trigonometric';
    const times = { timestep: tf.linspace(0.06, 1, ROWS), targetTimestep: tf.linspace(0.06, 0.4, ROWS) };
    const exact = pointMass(path, map)({ ...at, ...times });
    expectClose(ofData(tf.tensor2d(POINT, [1, 3]), map)({ ...at, ...times }), exact, { rtol: 1e-5, atol: 1e-5 });
  });

  it('have the right gradient, which no time makes larger than 20.1', () => {
    const predict = (data: tf.Tensor, x: tf.Tensor) => ofData(data, map)({ ...at, noisy: x });
    expectGradients(predict, [output, noisy]);
    const slope = tf.grad((data: tf.Tensor) => predict(data, noisy))(output);
    const largest = tf.max(tf.abs(slope)).dataSync()[0]!;
    expect(largest).toBeCloseTo(-1 / amount(map, 0.05, 0), 4);
    expect(largest).toBeLessThan(20.1);
  });

  it('are those of the strong path and of the weak one, each its own, and all of the input is handed on', () => {
    const seen: NetworkInput[] = [];
    const paths = solutionNetworks(
      {
        strong: (input) => {
          seen.push(input);
          return tf.clone(output);
        },
        weak: () => tf.neg(output),
      },
      'data',
      map,
    );
    const input = { ...at, keptTokens: tf.zeros([ROWS, 1], 'int32'), pathDropped: tf.zeros([ROWS], 'bool') };
    expectClose(paths.strong(input), network(at), { rtol: 0, atol: 0 });
    expectClose(paths.weak(input), ofData(tf.neg(output), map)(at), { rtol: 0, atol: 0 });
    expect(seen).toEqual([input]);
  });

  it('leave only what they return', () => expectNoLeak(() => network(at)));

  it.each([1, 2, 4, 8])('are where %d steps end that are certain of them', (steps) => {
    const noise = randomNormal(createStream(4), [ROWS, 3]);
    const input = { noise, condition, steps, map };
    const point = tf.tensor2d(POINT, [1, 3]);
    const certain = ofData(point, map);
    const path = map === 'euler' ? ('linear' as const) : ('trigonometric' as const);
    const samples = [
      sampleFewStep(certain, input),
      sampleWithRenoising(certain, { ...input, stream: createStream(5), path }),
      // Euler's last step is the jump itself in its own form alone.
      ...(map === 'euler' ? [sampleEuler(certain, input), sampleHeun(certain, input)] : []),
    ];
    for (const { data } of samples) expectClose(data, tf.tile(point, [ROWS, 1]), { atol: 2e-6 });
  });
});

describe.each(OBJECTIVES)('$kind of a new network that predicts the data', ({ kind, schema }) => {
  // All of its times, most of them far below 0.05.
  const early = Object.keys(schema.shape).filter((option) => /Time$/.test(option));
  const times = Object.fromEntries(early.map((option) => [option, { mean: -5, std: 3 }]));
  const maps = 'map' in schema.shape ? SOLUTION_MAPS : ([undefined] as const);

  const scalars = () => ({ guidanceScale: tf.scalar(2.5), intervalRatio: tf.scalar(0.03) });

  /** Loss, terms and gradient of a linear network, which starts at 0. */
  function step(
    map: SolutionMap | undefined,
    stream: RandomStream,
    weight: tf.Tensor,
    batch: ObjectiveBatch,
    schedule: ObjectiveSchedule,
  ) {
    const objective = createObjective({ kind, ...times, ...(map && { map }) } as ObjectiveSpec);
    const draws = objective.draw(stream, batch.data.shape, schedule);
    const { values, grads } = valueAndGrad(
      () => {
        const linear: Network = (input) => tf.mul(tf.add(input.noisy, perExample(input.timestep, 2)), weight);
        const networks = solutionNetworks({ strong: linear, weak: linear }, 'data', objective.map);
        const { loss, lossPerExample, terms } = objective.loss(networks, batch, draws, schedule);
        return { loss, lossPerExample, ...terms };
      },
      { weight },
    );
    return { ...values, gradient: grads.weight, timestep: tf.clone(draws.velocityTimestep) };
  }

  it.each(maps)('has finite losses and a gradient, however small t is: map %s', (map) => {
    const { timestep, ...values } = step(map, createStream(6), tf.scalar(0), toyBatch(24), scalars());
    expect(timestep.dataSync().some((t) => t < 0.001)).toBe(true);
    for (const [name, value] of Object.entries(values as Record<string, tf.Tensor>)) {
      expect(Array.from(value.dataSync()).every(Number.isFinite), name).toBe(true);
    }
    expect(Math.abs(values.gradient.dataSync()[0]!)).toBeGreaterThan(1e-3);
  });

  it.each(maps)('is the same as one compiled graph: map %s', (map) => {
    const compiled = compile((...args: Parameters<typeof step>) => tf.tidy(() => step(...args)), {
      captures: 'refuse',
    });
    const eager = step(map, createStream(7), tf.scalar(0.4), toyBatch(24), scalars());
    const graph = compiled(map, uploadStream(createStream(7)), tf.scalar(0.4), { ...toyBatch(24) }, scalars());
    expect(Object.keys(graph)).toEqual(Object.keys(eager));
    for (const [name, values] of Object.entries(eager)) {
      expectClose(graph[name as keyof typeof graph] as tf.Tensor, values as tf.Tensor, { rtol: 1e-4, atol: 1e-5 });
    }
    compiled.dispose();
  });
});
