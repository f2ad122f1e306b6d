import { createStream, randomNormal, randomUniform, splitStream } from '@eflow/tensor';
import { expectClose, expectNoLeak } from '@eflow/testing';
import * as tf from '@tensorflow/tfjs-core';
import { describe, expect, it } from 'vitest';
import { type ExactFlow, exactNetwork, gaussianFlow, mapElements, twoPointFlow } from '../fixtures/exact-flows.ts';
import type { Network } from './network.ts';
import { interpolate, PATHS, pathVelocity, perExample } from './path.ts';
import { solutionNetworks } from './prediction.ts';
import { sampleFewStep } from './samplers.ts';
import {
  asVelocity,
  differenceQuotient,
  SOLUTION_MAPS,
  type SolutionMap,
  semigroupDefect,
  solutionMap,
} from './solution-map.ts';

// The statements of docs/theory.md, in its order: phi is the exact solution map, g that of a network, e = g - phi.
// The figures there are this file's annotations: pnpm vitest run packages/flow/src/theory.test.ts --reporter verbose

const [ROWS, WIDTH] = [7, 3];
const GAUSSIAN = { mean: 0.7, deviation: 0.5 };
const POINT = 0.8;
const FLOWS = PATHS.flatMap((path) => [
  { path, data: 'one Gaussian', flow: gaussianFlow(path, GAUSSIAN) },
  { path, data: 'two points', flow: twoPointFlow(path, POINT) },
]);
const CASES = FLOWS.flatMap((flow) => SOLUTION_MAPS.map((map) => ({ ...flow, map })));
type Case = (typeof CASES)[number];

const X = randomNormal(createStream(1), [ROWS, WIDTH]);
const NOTHING = tf.zeros([ROWS]);

/** A time for all rows, or one for each. */
type Time = number | tf.Tensor;
const rows = (time: Time) => (typeof time === 'number' ? tf.fill([ROWS], time) : time);
const column = (time: tf.Tensor) => perExample(time, 2);
const norm = (x: tf.Tensor) => tf.norm(x).dataSync()[0]!;
const rowNorms = (x: tf.Tensor) => Array.from(tf.norm(x, 'euclidean', 1).dataSync());
const sum = (values: readonly number[]) => values.reduce((total, value) => total + value, 0);

/** N(x, t, s). */
const predict = (network: Network, x: tf.Tensor, t: Time, s: Time) =>
  network({ noisy: x, timestep: rows(t), targetTimestep: rows(s), condition: NOTHING });
/** phi(x, t, s). */
const carry = (flow: ExactFlow, x: tf.Tensor, t: Time, s: Time) => mapElements(flow.carry, x, rows(t), rows(s));
/** e(x, t, s). */
const jumpError = (network: Network, { flow, map }: Case, x: tf.Tensor, t: Time, s: Time) =>
  tf.sub(solutionMap(x, predict(network, x, t, s), rows(t), rows(s), map), carry(flow, x, t, s));

/** The semigroup defect per unit of time, and the values that it is made of. */
function defectOf(network: Network, map: SolutionMap, x: tf.Tensor, t: Time, m: Time, s: Time) {
  const first = predict(network, x, t, m);
  const second = predict(network, solutionMap(x, first, rows(t), rows(m), map), m, s);
  const values = { noisy: x, long: predict(network, x, t, s), first, second };
  const times = { timestep: rows(t), middleTimestep: rows(m), targetTimestep: rows(s) };
  return { defect: semigroupDefect(values, times, map), values };
}

/** A network of one hidden layer, and its Lipschitz constant in x at most: its layers' norms, since |tanh'| <= 1. */
function randomNetwork(seed: number): { network: Network; lipschitz: number } {
  const stream = createStream(seed);
  const inner = randomNormal(splitStream(stream, 'inner'), [WIDTH + 2, 5]);
  const outer = tf.mul(randomNormal(splitStream(stream, 'outer'), [5, WIDTH]), 0.3);
  return {
    network: ({ noisy, timestep, targetTimestep }) =>
      tf.matMul(tf.tanh(tf.matMul(tf.concat([noisy, column(timestep), column(targetTimestep)], 1), inner)), outer),
    lipschitz: norm(tf.slice(inner, 0, WIDTH)) * norm(outer),
  };
}

/** (t - s) N(x, t, s), which leaves the diagonal alone. */
const offDiagonal =
  (network: Network): Network =>
  (input) =>
    tf.mul(column(tf.sub(input.timestep, input.targetTimestep)), network(input));

/** |A(t, s)| and |B(t, s)|. */
const form = (map: SolutionMap, t: number, s: number) =>
  map === 'euler' ? { a: 1, b: t - s } : { a: Math.cos((Math.PI / 2) * (t - s)), b: Math.sin((Math.PI / 2) * (t - s)) };

/** Times from < s < m < t < 1, [ROWS] each, no two of them close together beside 1 - from. */
function randomTimes(seed: number, from: number): Record<'t' | 'm' | 's', tf.Tensor> {
  const sums = tf.cumsum(tf.add(randomUniform(createStream(seed), [4, ROWS]), 0.1));
  const [s, m, t] = tf.unstack(tf.add(from, tf.mul(1 - from, tf.div(tf.slice(sums, 0, 3), tf.slice(sums, 3)))));
  return { t: t!, m: m!, s: s! };
}

/** The slope of log y against log x, by least squares. */
function logSlope(x: readonly number[], y: readonly number[]): number {
  const centred = (values: readonly number[]) => {
    const logs = values.map(Math.log);
    return logs.map((value) => value - sum(logs) / logs.length);
  };
  const [dx, dy] = [centred(x), centred(y)];
  return sum(dx.map((value, i) => value * dy[i]!)) / sum(dx.map((value) => value * value));
}

describe.each(FLOWS)('the exact flow of $data, $path path', ({ path, data, flow }) => {
  it('follows its velocity: Runge-Kutta steps end at the same place', () => {
    for (const [x, t, s] of [
      [1.3, 1, 0.1],
      [-0.4, 1, 0.05],
      [0.02, 0.7, 0.2],
      [-2.9, 0.5, 0.1],
      [0.9, 0.2, 0.9],
    ] as const) {
      expect(Math.abs(flow.carry(x, t, s) - rungeKutta(flow, x, t, s, 20_000))).toBeLessThan(1e-9);
    }
  });

  it('ends at the data', () => {
    const noise = [-1.7, -0.2, 0.4, 2.2];
    const points = [-POINT, -POINT, POINT, POINT];
    const ends = data === 'two points' ? points : noise.map((x) => GAUSSIAN.mean + GAUSSIAN.deviation * x);
    expectClose(
      noise.map((x) => flow.carry(x, 1, 0)),
      ends,
      { rtol: 1e-12, atol: 0 },
    );
  });

  it('has as velocity the mean of pathVelocity at x_t: the rest is orthogonal to powers of x_t', () => {
    const size = 50_000;
    const [clean, noise] = [randomNormal(createStream(2), [size, 1]), randomNormal(createStream(3), [size, 1])];
    const gaussian = tf.add(tf.mul(clean, GAUSSIAN.deviation), GAUSSIAN.mean);
    const x0 = data === 'two points' ? tf.mul(tf.sign(clean), POINT) : gaussian;
    const t = tf.add(tf.mul(randomUniform(createStream(4), [size]), 0.9), 0.1);
    const x = interpolate(x0, noise, t, path);
    const rest = tf.sub(pathVelocity(x0, noise, t, path), mapElements(flow.velocity, x, t, t));
    for (const power of [0, 1, 3]) {
      const { mean, variance } = tf.moments(tf.mul(rest, tf.pow(x, power)));
      expect(Math.abs(mean.dataSync()[0]!)).toBeLessThan(4 * Math.sqrt(variance.dataSync()[0]! / size));
    }
  });

  it.each([
    [1, 0.3],
    [0.8, 0.5],
  ])('parts no pair by more than its Lipschitz constant, and some by that: from %d to %d', (t, s) => {
    const ends = Array.from({ length: 601 }, (_, i) => flow.carry((i - 300) / 100, t, s));
    const steepest = 100 * Math.max(...ends.slice(1).map((end, i) => end - ends[i]!));
    expect(steepest / flow.stretch(t, s)).toBeLessThan(1 + 1e-9);
    expect(steepest / flow.stretch(t, s)).toBeGreaterThan(0.99);
  });

  it('leaves only what it returns', () => {
    const [t, s] = [rows(0.7), rows(0.2)];
    expectNoLeak(() => predict(exactNetwork(flow, 'trigonometric'), X, t, s));
  });
});

function rungeKutta({ velocity }: ExactFlow, x: number, t: number, s: number, numSteps: number): number {
  const h = (s - t) / numSteps;
  for (let step = 0; step < numSteps; step++) {
    const now = t + step * h;
    const k1 = velocity(x, now);
    const k2 = velocity(x + (h / 2) * k1, now + h / 2);
    const k3 = velocity(x + (h / 2) * k2, now + h / 2);
    const k4 = velocity(x + h * k3, now + h);
    x += (h / 6) * (k1 + 2 * k2 + 2 * k3 + k4);
  }
  return x;
}

describe('lemma 1: additivity residual = semigroup defect per unit of time', () => {
  /** Both by their definitions, in float64, of the values that the passes gave. */
  function byDefinition(
    values: ReturnType<typeof defectOf>['values'],
    times: ReturnType<typeof randomTimes>,
    map: SolutionMap,
  ) {
    const jump = (x: number, prediction: number, t: number, s: number) =>
      form(map, t, s).a * x - form(map, t, s).b * prediction;
    const { noisy, long, first, second } = values;
    const columns = [noisy, long, first, second].map((x) => x.dataSync());
    const timeRows = [times.t, times.m, times.s].map((time) => time.dataSync());
    return Array.from({ length: ROWS * WIDTH }, (_, i) => {
      const [x, u, u1, u2] = columns.map((v) => v[i]!) as [number, number, number, number];
      const [t, m, s] = timeRows.map((v) => v[Math.floor(i / WIDTH)]!) as [number, number, number];
      return {
        defect: (jump(x, u, t, s) - jump(jump(x, u1, t, m), u2, m, s)) / (t - s),
        additivity: ((t - m) * u1 + (m - s) * u2 - (t - s) * u) / (t - s),
      };
    });
  }

  it.each(SOLUTION_MAPS)('for random networks and times, and semigroupDefect gives it: %s form', (map) => {
    for (let seed = 0; seed < 30; seed++) {
      // Every other time all three lie within 1e-3, where the difference of two maps would have few digits in float32.
      const times = randomTimes(seed, seed % 2 === 0 ? 0 : 0.999);
      const { defect, values } = defectOf(randomNetwork(seed).network, map, X, times.t, times.m, times.s);
      const expected = byDefinition(values, times, map);
      expectClose(
        defect,
        expected.map((element) => element.defect),
        { rtol: 1e-5, atol: 2e-6 },
      );
      if (map === 'trigonometric') continue;
      for (const element of expected) expect(Math.abs(element.defect - element.additivity)).toBeLessThan(1e-11);
    }
  });

  it.each(CASES)('an exact flow has none: $data, $path path, $map form', ({ flow, map }) => {
    for (let seed = 0; seed < 20; seed++) {
      const { t, m, s } = randomTimes(seed, 0.2);
      const { defect } = defectOf(exactNetwork(flow, map), map, X, t, m, s);
      expectClose(defect, tf.zerosLike(defect), { atol: 1e-5 });
    }
  });
});

describe('theorem 1: a long jump against two short ones', () => {
  /** Every row's |e(x, t, s)|, and the three terms of its bound. `lipschitz` is that of g(., m, s). */
  function bothSides(
    network: Network,
    lipschitz: (m: number, s: number) => number,
    exact: Case,
    { t, m, s }: ReturnType<typeof randomTimes>,
  ) {
    const [from, to] = [m.dataSync(), s.dataSync()];
    const first = rowNorms(jumpError(network, exact, X, t, m));
    const second = rowNorms(jumpError(network, exact, carry(exact.flow, X, t, m), m, s));
    const defect = rowNorms(tf.mul(defectOf(network, exact.map, X, t, m, s).defect, column(tf.sub(t, s))));
    return rowNorms(jumpError(network, exact, X, t, s)).map((error, i) => ({
      error,
      bound: [lipschitz(from[i]!, to[i]!) * first[i]!, second[i]!, defect[i]!],
    }));
  }

  it.for(CASES)(
    'holds for random networks, and for exact ones with a random error: $data, $path path, $map form',
    async (exact, { annotate }) => {
      const { flow, map } = exact;
      const perfect = exactNetwork(flow, map);
      let closest = 0;
      for (let seed = 0; seed < 20; seed++) {
        const { network, lipschitz } = randomNetwork(seed);
        const share = 10 ** -(seed % 3);
        const near: Network = (input) => tf.add(perfect(input), tf.mul(network(input), share));
        const times = randomTimes(seed, 0.3);
        const sides = [
          ...bothSides(network, (m, s) => form(map, m, s).a + form(map, m, s).b * lipschitz, exact, times),
          ...bothSides(near, (m, s) => flow.stretch(m, s) + form(map, m, s).b * share * lipschitz, exact, times),
        ];
        for (const { error, bound } of sides) {
          expect(error).toBeLessThan(sum(bound) * (1 + 1e-5) + 1e-5);
          closest = Math.max(closest, error / sum(bound));
        }
      }
      await annotate(`closest to its bound: ${closest.toFixed(3)}`);
      expect(closest).toBeGreaterThan(0.9);
    },
  );

  it.each(CASES.filter(({ data, map }) => data === 'one Gaussian' && map === 'euler'))(
    'is an equality, of three terms that all count, where the mean velocity is wrong by a constant: $path path',
    (exact) => {
      const wrong: Network = (input) => tf.add(exactNetwork(exact.flow, exact.map)(input), 0.3);
      for (const { error, bound } of bothSides(wrong, exact.flow.stretch, exact, randomTimes(1, 0.3))) {
        expect(Math.abs(sum(bound) / error - 1)).toBeLessThan(1e-4);
        expect(Math.min(...bound) / error).toBeGreaterThan(0.01);
      }
    },
  );
});

describe.each(CASES)('corollary, quadratic shrinkage: $data, $path path, $map form', (exact) => {
  const { flow, map } = exact;
  const perfect = exactNetwork(flow, map);
  const random = randomNetwork(5);
  /** The exact velocity on the diagonal, and anything beside it. */
  const consistent: Network = (input) =>
    tf.add(perfect({ ...input, targetTimestep: input.timestep }), offDiagonal(random.network)(input));
  const wrong: Network = (input) => tf.add(consistent(input), 0.5);

  it.for([
    ['the right velocity: the error and the defect fall as h^2', consistent, 2],
    ['a wrong velocity: the error falls as h alone, which the defect does not see', wrong, 1],
  ] as const)('one jump of length h with %s', async ([, network, order], { annotate }) => {
    const t = 0.75;
    const intervals = [2 ** -4, 2 ** -5, 2 ** -6, 2 ** -7];
    const errors = intervals.map((h) => norm(jumpError(network, exact, X, t, t - h)));
    const defects = intervals.map((h) => h * norm(defectOf(network, map, X, t, t - h / 2, t - h).defect));
    const slopes = { error: logSlope(intervals, errors), defect: logSlope(intervals, defects) };
    await annotate(`slopes: error ${slopes.error.toFixed(2)}, defect ${slopes.defect.toFixed(2)}`);
    expect(Math.abs(slopes.error - order)).toBeLessThan(0.1);
    expect(Math.abs(slopes.defect - 2)).toBeLessThan(0.1);
  });

  it('K jumps from 0.9 to 0.3: none of the exact map is wrong, and of the other the error falls as 1 / K', async ({
    annotate,
  }) => {
    const end = carry(flow, X, 0.9, 0.3);
    const endOf = (network: Network, count: number) => {
      const steps = Array.from({ length: count + 1 }, (_, i) => 0.9 - (0.6 * i) / count);
      return sampleFewStep(network, { noise: X, condition: NOTHING, steps, map }).data;
    };
    expectClose(endOf(perfect, 3), end, { atol: 1e-5 });
    const counts = [16, 32, 64, 128];
    const errors = counts.map((count) => norm(tf.sub(endOf(consistent, count), end)));
    const slope = logSlope(counts, errors);
    await annotate(`slope: ${slope.toFixed(2)}`);
    expect(Math.abs(slope + 1)).toBeLessThan(0.1);
  });

  it('halves of halves: the defects bound the error, and what they leave halves with every level', async ({
    annotate,
  }) => {
    const share = 0.2;
    const near: Network = (input) => tf.add(perfect(input), tf.mul(offDiagonal(random.network)(input), share));
    const lipschitz = (m: number, s: number) =>
      flow.stretch(m, s) + form(map, m, s).b * (m - s) * share * random.lipschitz;
    /** Theorem 1, its errors bounded by itself: a sum of defects, and of the errors of the 2^depth shortest jumps. */
    const bisect = (x: tf.Tensor, t: number, s: number, depth: number): { defects: number; rest: number } => {
      if (depth === 0) return { defects: 0, rest: norm(jumpError(near, exact, x, t, s)) };
      const m = (t + s) / 2;
      const first = bisect(x, t, m, depth - 1);
      const second = bisect(carry(flow, x, t, m), m, s, depth - 1);
      const growth = lipschitz(m, s);
      return {
        defects: (t - s) * norm(defectOf(near, map, x, t, m, s).defect) + growth * first.defects + second.defects,
        rest: growth * first.rest + second.rest,
      };
    };
    const [error, ...levels] = [0, 1, 2, 3, 4].map((depth) => bisect(X, 0.75, 0.5, depth));
    const shares = levels.map(({ defects, rest }) => [defects, rest].map((part) => part / error!.rest));
    await annotate(
      `of the error, [defects, rest]: ${shares.map((pair) => `[${pair.map((part) => part.toFixed(3))}]`).join(' ')}`,
    );
    for (const [defects, rest] of shares) {
      expect(defects! + rest!).toBeGreaterThan(1 - 1e-5);
      expect(defects! + rest!).toBeLessThan(1.1);
    }
    for (const [level, [, rest]] of shares.slice(1).entries()) {
      expect(Math.abs(rest! / shares[level]![1]! - 0.5)).toBeLessThan(0.05);
    }
  });
});

describe.each(CASES)("SoFlow's consistency of an exact jump: $data, $path path, $map form", ({ flow, map }) => {
  const [t, s] = [0.75, 0.25];
  const velocity = mapElements(flow.velocity, X, rows(t), rows(t));

  it.for([
    ['its end stays where its start moves with the flow: the quotient falls as t - l', 0, 1],
    ['its end moves where the velocity is wrong: the quotient does not fall', 0.5, 0],
  ] as const)('%s', async ([, wrong, order], { annotate }) => {
    const gaps = [2 ** -4, 2 ** -5, 2 ** -6, 2 ** -7];
    const along = tf.add(velocity, wrong);
    const quotients = gaps.map((gap) => {
      const l = t - gap;
      const near = tf.sub(X, tf.mul(along, gap));
      const predictionT = predict(exactNetwork(flow, map), X, t, s);
      const predictionL = predict(exactNetwork(flow, map), near, l, s);
      const times = { timestep: rows(t), nearTimestep: rows(l), targetTimestep: rows(s) };
      const quotient = differenceQuotient({ noisy: X, velocity: along, predictionT, predictionL }, times, map);
      const moved = tf.sub(carry(flow, X, t, s), carry(flow, near, l, s));
      expectClose(quotient, tf.div(moved, gap), { rtol: 1e-4, atol: 1e-4 });
      return norm(quotient);
    });
    const slope = logSlope(gaps, quotients);
    await annotate(`slope: ${slope.toFixed(2)}`);
    expect(Math.abs(slope - order)).toBeLessThan(0.1);
  });
});

describe.each(CASES)('predicted data: $data, $path path, $map form', ({ flow, path, map }) => {
  /** N of a network that puts out what a formula in float64 says. */
  const given = (output: (x: number, t: number, s: number) => number): Network => {
    const network: Network = ({ noisy, timestep, targetTimestep }) =>
      mapElements(output, noisy, timestep, targetTimestep);
    return solutionNetworks({ strong: network, weak: network }, 'data', map).strong;
  };
  /** Where the whole jump with N ends, from no earlier than 0.05: what a network has to put out for N. */
  const endWith = (prediction: number, x: number, t: number) => {
    const { a, b } = form(map, Math.max(t, 0.05), 0);
    return a * x - b * prediction;
  };
  /** The exact N in float64, of one number. */
  const exactly = (x: number, t: number, s: number) =>
    t === s
      ? flow.velocity(x, t) / (map === 'euler' ? 1 : Math.PI / 2)
      : (form(map, t, s).a * x - flow.carry(x, t, s)) / form(map, t, s).b;
  const perfect = given((x, t) => flow.carry(x, t, 0));

  it('the whole jump of a perfect network ends at the data, on either path', () => {
    const t = tf.linspace(0.051, 1, ROWS);
    const end = solutionMap(X, predict(perfect, X, t, 0), t, rows(0), map);
    expectClose(end, carry(flow, X, t, 0), { rtol: 1e-6, atol: 1e-6 });
  });

  const isOwn = (path === 'linear') === (map === 'euler');
  it(`s = t: the mean of the data stands for ${isOwn ? 'the velocity' : 'something else, off its own path'}`, () => {
    const t = tf.linspace(0.1, 1, ROWS);
    const velocity = asVelocity(predict(given(flow.data), X, t, t), map);
    const misses = norm(tf.sub(velocity, mapElements(flow.velocity, X, t, t)));
    if (isOwn) expect(misses).toBeLessThan(1e-4);
    else expect(misses).toBeGreaterThan(0.1);
  });

  it('every exact jump has its data: no defect, and the right end after any number of jumps, below 0.05 too', () => {
    const network = given((x, t, s) => endWith(exactly(x, t, s), x, t));
    for (let seed = 0; seed < 10; seed++) {
      const { t, m, s } = randomTimes(seed, 0.01);
      expectClose(predict(network, X, t, t), predict(exactNetwork(flow, map), X, t, t), { rtol: 1e-4, atol: 1e-5 });
      const { defect } = defectOf(network, map, X, t, m, s);
      expectClose(defect, tf.zerosLike(defect), { atol: 1e-4 });
    }
    for (const steps of [
      [1, 0],
      [1, 0.5, 0],
      [1, 0.6, 0.3, 0.04, 0.01, 0],
    ]) {
      const { data } = sampleFewStep(network, { noise: X, condition: NOTHING, steps, map });
      expectClose(data, carry(flow, X, 1, 0), { rtol: 1e-5, atol: 1e-5 });
    }
  });

  it('below 0.05 data stand for less: the jump to 0 ends as far on as one from 0.05 by as much', () => {
    const t = 0.02;
    const from = form(map, 0.05, 0);
    const whole = form(map, t, 0);
    const end = mapElements(
      (x) => whole.a * x - (whole.b / from.b) * (from.a * x - flow.carry(x, t, 0)),
      X,
      rows(t),
      rows(0),
    );
    expectClose(solutionMap(X, predict(perfect, X, t, 0), rows(t), rows(0), map), end, { atol: 1e-6 });
    expect(norm(tf.sub(end, carry(flow, X, t, 0)))).toBeGreaterThan(1e-3);
  });

  it.for([
    ['above 0.05 is all but none', 0.07, 0, 0.04],
    ['below 0.05 stays within the size of the velocity, however close l is', 0.04, 0.1, 2],
  ] as const)("SoFlow's quotient of a perfect network %s", async ([, t, least, most], { annotate }) => {
    const velocity = mapElements(flow.velocity, X, rows(t), rows(t));
    const shares = [2 ** -8, 2 ** -10].map((gap) => {
      const l = t - gap;
      const near = tf.sub(X, tf.mul(velocity, gap));
      const [predictionT, predictionL] = [predict(perfect, X, t, 0), predict(perfect, near, l, 0)];
      const times = { timestep: rows(t), nearTimestep: rows(l), targetTimestep: rows(0) };
      return norm(differenceQuotient({ noisy: X, velocity, predictionT, predictionL }, times, map)) / norm(velocity);
    });
    await annotate(`of the velocity's norm: ${shares.map((share) => share.toFixed(3))}`);
    for (const share of shares) expect(share).toBeLessThan(most);
    expect(shares[1]).toBeGreaterThan(least);
  });
});
