import { createStream, randomNormal, randomUniform } from '@eflow/tensor';
import { expectClose, expectGradients, expectNoLeak } from '@eflow/testing';
import * as tf from '@tensorflow/tfjs-core';
import { describe, expect, it } from 'vitest';
import { POINT, pointMass } from '../fixtures/point-mass.ts';
import { interpolate, PATHS } from './path.ts';
import {
  differenceQuotient,
  SOLUTION_MAPS,
  type SolutionMap,
  semigroupDefect,
  solutionMap,
  velocityFactor,
} from './solution-map.ts';

const [ROWS, WIDTH] = [7, 5];
const [x, n1, n2, n3] = [1, 2, 3, 4].map((seed) => randomNormal(createStream(seed), [ROWS, WIDTH])) as [
  tf.Tensor,
  tf.Tensor,
  tf.Tensor,
  tf.Tensor,
];
/** Times that fall from t to s, [7] each. */
const t = tf.add(0.7, tf.mul(0.3, randomUniform(createStream(5), [ROWS])));
const m = tf.add(0.4, tf.mul(0.3, randomUniform(createStream(6), [ROWS])));
const s = tf.mul(0.4, randomUniform(createStream(7), [ROWS]));

/** g(x, t, s) of one number, in float64, with N given. */
const jump = (map: SolutionMap, value: number, prediction: number, from: number, to: number) =>
  map === 'euler'
    ? value + (to - from) * prediction
    : Math.cos((Math.PI / 2) * (to - from)) * value + Math.sin((Math.PI / 2) * (to - from)) * prediction;

/** `fn` of the numbers of every element, those of [B] tensors taken by row. */
const elementwise = (tensors: tf.Tensor[], fn: (...values: number[]) => number): number[] => {
  const arrays = tensors.map((tensor) => tensor.dataSync());
  return Array.from({ length: ROWS * WIDTH }, (_, i) =>
    fn(...arrays.map((array) => array[array.length === ROWS ? Math.floor(i / WIDTH) : i]!)),
  );
};

describe.each(SOLUTION_MAPS)('the %s map', (map) => {
  it('is A x + B N', () => {
    const expected = elementwise([x, n1, t, s], (...values) =>
      jump(map, ...(values as [number, number, number, number])),
    );
    expectClose(solutionMap(x, n1, t, s, map), expected, { atol: 2e-6 });
    expectNoLeak(() => solutionMap(x, n1, t, s, map));
  });

  it('stays where s = t, whatever the prediction, bit for bit', () => {
    expectClose(solutionMap(x, tf.mul(n1, 1e30), t, t, map), x, { rtol: 0, atol: 0 });
  });

  it.each(PATHS)('carries x_t to x_s with the exact network of the %s path, forwards and back', (path) => {
    const data = tf.tile(tf.tensor2d(POINT, [1, 3]), [ROWS, 1]);
    const noise = randomNormal(createStream(8), [ROWS, 3]);
    const at = (time: tf.Tensor) => interpolate(data, noise, time, path);
    const network = pointMass(path, map);
    for (const [from, to] of [
      [t, s],
      [s, t],
      [t, m],
    ] as const) {
      const prediction = network({ noisy: at(from), timestep: from, targetTimestep: to, condition: t });
      expectClose(solutionMap(at(from), prediction, from, to, map), at(to), { rtol: 1e-4, atol: 1e-4 });
    }
  });

  it('moves at s = t with velocityFactor N: the derivative of g by s', () => {
    const at = (step: number) => solutionMap(x, n1, t, tf.add(t, step), map);
    const derivative = tf.div(tf.sub(at(0.01), at(-0.01)), 0.02);
    expectClose(tf.mul(n1, velocityFactor(map)), derivative, { rtol: 1e-3, atol: 1e-4 });
  });

  it('has the gradients of x and N', () => {
    expectGradients((a, b) => solutionMap(a!, b!, t, s, map), [x, n1]);
  });
});

describe.each(SOLUTION_MAPS)('differenceQuotient of the %s map', (map) => {
  const plain = (near: tf.Tensor, predictionL = n3) =>
    elementwise([x, n1, n2, predictionL, t, near, s], (noisy, velocity, nT, nL, time, l, to) => {
      const start = jump(map, noisy!, nT!, time!, to!);
      const end = jump(map, noisy! + velocity! * (l! - time!), nL!, l!, to!);
      return (start - end) / (time! - l!);
    });
  const quotient = (near: tf.Tensor, predictionL = n3) =>
    differenceQuotient(
      { noisy: x, velocity: n1, predictionT: n2, predictionL },
      { timestep: t, nearTimestep: near, targetTimestep: s },
      map,
    );

  it.each([0.3, 0.01, 1e-4])('is (g(x_t, t, s) - g(x_l, l, s)) / (t - l) to float32 digits with t - l = %d', (gap) => {
    const near = tf.sub(t, gap);
    const expected = plain(near);
    const largest = Math.max(...expected.map(Math.abs));
    expectClose(quotient(near), expected, { rtol: 2e-6, atol: 1e-7 * largest });
    // As in training: predictions that hardly differ. Two float32 maps, subtracted and divided, would be off by 1e-3 here.
    const closeBy = tf.add(n2, tf.mul(n3, gap));
    expectClose(quotient(near, closeBy), plain(near, closeBy), { rtol: 2e-6, atol: 2e-6 });
  });

  it('holds for l = s, where the jump from l is none, and leaves nothing behind', () => {
    expectClose(quotient(s), plain(s), { atol: 5e-6 });
    expectNoLeak(() => quotient(m));
  });
});

describe.each(SOLUTION_MAPS)('semigroupDefect of the %s map', (map) => {
  const plain = (at: [tf.Tensor, tf.Tensor, tf.Tensor]) =>
    elementwise([x, n1, n2, n3, ...at], (noisy, long, first, second, time, middle, to) => {
      const between = jump(map, noisy!, first!, time!, middle!);
      return (jump(map, noisy!, long!, time!, to!) - jump(map, between, second!, middle!, to!)) / (time! - to!);
    });
  const defect = ([timestep, middleTimestep, targetTimestep]: [tf.Tensor, tf.Tensor, tf.Tensor]) =>
    semigroupDefect({ noisy: x, long: n1, first: n2, second: n3 }, { timestep, middleTimestep, targetTimestep }, map);

  it.each([0.5, 0.01, 1e-4])('is (g(x_t, t, s) - g(g(x_t, t, m), m, s)) / (t - s), exact with t - s = %d', (gap) => {
    const times: [tf.Tensor, tf.Tensor, tf.Tensor] = [t, tf.sub(t, 0.3 * gap), tf.sub(t, gap)];
    expectClose(defect(times), plain(times), { rtol: 2e-6, atol: 2e-6 });
  });

  it('is zero where the long jump is one of the two and the other none', () => {
    const jumps = { noisy: x, long: n1, first: n1, second: n1 };
    for (const middleTimestep of [t, s]) {
      const zero = semigroupDefect(jumps, { timestep: t, middleTimestep, targetTimestep: s }, map);
      expectClose(zero, tf.zerosLike(x), { rtol: 0, atol: 1e-6 });
    }
  });

  it('has the gradients of what it depends on, and leaves nothing behind', () => {
    const at = { timestep: t, middleTimestep: m, targetTimestep: s };
    const of = (long?: tf.Tensor, first?: tf.Tensor, second?: tf.Tensor, noisy = x) =>
      semigroupDefect({ noisy, long: long!, first: first!, second: second! }, at, map);
    // In Euler form x_t cancels.
    expectGradients(of, map === 'euler' ? [n1, n2, n3] : [n1, n2, n3, x]);
    expectNoLeak(() => defect([t, m, s]));
  });
});

describe('the maps', () => {
  it('are Euler unless told otherwise', () => {
    expectClose(solutionMap(x, n1, t, s), solutionMap(x, n1, t, s, 'euler'), { rtol: 0, atol: 0 });
    expect(velocityFactor('euler')).toBe(1);
    expect(velocityFactor('trigonometric')).toBe(Math.PI / 2);
  });
});
