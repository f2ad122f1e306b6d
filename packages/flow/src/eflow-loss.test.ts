import { createStream, randomUniform, splitStream, stopGradient, valueAndGrad } from '@eflow/tensor';
import { expectClose } from '@eflow/testing';
import * as tf from '@tensorflow/tfjs-core';
import { describe, expect, it } from 'vitest';
import { drawEflow, type EflowDraws } from './eflow-draws.ts';
import { EFLOW_DEFAULTS, type EflowBatch, type EflowOptions, eflowLoss } from './eflow-loss.ts';
import type { Network, NetworkInput } from './network.ts';
import { perExample } from './path.ts';

/** A network of five numbers: a x + b t + c s + e y + f [path kept]. */
type Theta = { a: tf.Scalar; b: tf.Scalar; c: tf.Scalar; e: tf.Scalar; f: tf.Scalar };
const START = { a: 0.3, b: -0.2, c: 0.5, e: 0.11, f: 0.7 };
const thetaTensors = (): Theta => ({
  a: tf.scalar(START.a),
  b: tf.scalar(START.b),
  c: tf.scalar(START.c),
  e: tf.scalar(START.e),
  f: tf.scalar(START.f),
});

function toyNetworks(theta: Theta) {
  const column = (x: tf.Tensor) => perExample(x, 2);
  const base = ({ noisy, timestep, targetTimestep, condition }: NetworkInput) =>
    tf.addN([
      tf.mul(noisy, theta.a),
      tf.mul(tf.mul(column(timestep), tf.onesLike(noisy)), theta.b),
      tf.mul(tf.mul(column(targetTimestep), tf.onesLike(noisy)), theta.c),
      tf.mul(tf.mul(column(condition), tf.onesLike(noisy)), theta.e),
    ]);
  const strong: Network = (input) => {
    const kept = input.pathDropped
      ? tf.sub(1, tf.cast(column(input.pathDropped), 'float32'))
      : tf.ones([input.noisy.shape[0]!, 1]);
    return tf.add(base(input), tf.mul(kept, theta.f));
  };
  return { strong, weak: base };
}

type Options = EflowOptions & { guidanceScale: number };

const SHAPE: [number, number] = [11, 3];
const batch: EflowBatch = {
  data: randomUniform(createStream(1), SHAPE),
  condition: tf.range(1, 12),
  nullCondition: tf.fill([11], -3),
};

/** The same objective, in float64 and loops, from the equations. `still` are the parameters under stop-gradient. */
function reference(theta: typeof START, still: typeof START, draws: EflowDraws, o: Options) {
  const numbers = (x: tf.Tensor) => Array.from(x.dataSync());
  const [data, noise] = [numbers(batch.data), numbers(draws.noise)];
  const [labels, noConditions, noPaths] = [
    numbers(batch.condition),
    numbers(draws.conditionDropped),
    numbers(draws.pathDropped),
  ];
  const N = (p: typeof START, x: number[], t: number, s: number, y: number, path: boolean) =>
    x.map((value) => p.a * value + p.b * t + p.c * s + p.e * y + (path ? p.f : 0));
  const jump = (x: number[], u: number[], t: number, s: number) => x.map((value, i) => value + (s - t) * u[i]!);
  const meanSquare = (v: number[]) => v.reduce((sum, value) => sum + value * value, 0) / v.length;
  const weight = (v: number[]) => (meanSquare(v) + o.weightEps) ** -o.weightPower;
  const average = (v: number[]) => v.reduce((a, b) => a + b, 0) / v.length;
  const fm: number[] = [];
  const sol: number[] = [];
  const mva: number[] = [];
  const V = draws.velocityTimestep.size;
  for (let row = 0; row < SHAPE[0]; row++) {
    const part = (v: number[]) => v.slice(row * 3, row * 3 + 3);
    const isVelocity = row < V;
    const time = (x: tf.Tensor) => numbers(x)[row - V]!;
    const t = isVelocity ? numbers(draws.velocityTimestep)[row]! : time(draws.solution.timestep);
    const x = part(data).map((value, i) => (1 - t) * value + t * part(noise)[i]!);
    const v = part(noise).map((value, i) => value - part(data)[i]!);
    const [noCondition, noPath] = [noConditions[row] === 1, noPaths[row] === 1];
    const y = noCondition || (noPath && o.weakCondition === 'null') ? -3 : labels[row]!;
    let target = v;
    if (!noCondition && !noPath) {
      const d = Math.min((1 - t) / 0.2, 1 - 1e-6);
      const fade = t > 0.8 ? 1 - Math.exp((-0.025 * d) / (1 - d)) : 1;
      const weak = N(still, x, t, t, o.weakCondition === 'null' ? -3 : y, false);
      const own = N(still, x, t, t, y, true);
      const guided = v.map((value, i) => value + fade * (o.guidanceScale - 1) * (value - weak[i]!));
      target = guided.map((value, i) => o.targetMixRatio * value + (1 - o.targetMixRatio) * own[i]!);
    }
    if (isVelocity) {
      const predict = (p: typeof START) => N(p, x, t, t, y, !noPath).map((value, i) => value - target[i]!);
      fm.push(weight(predict(still)) * meanSquare(predict(theta)));
      continue;
    }
    const [s, l, m] = [
      time(draws.solution.targetTimestep),
      time(draws.solution.nearTimestep),
      time(draws.solution.middleTimestep),
    ];
    const long = (p: typeof START) => jump(x, N(p, x, t, s, y, true), t, s);
    const near = jump(x, target, t, l);
    const aim = jump(near, N(still, near, l, s, y, true), l, s);
    const dq = long(still).map((value, i) => (value - aim[i]!) / (t - l));
    sol.push(-average(N(theta, x, t, s, y, true).map((value, i) => value * dq[i]! * weight(dq))));
    const half = jump(x, N(still, x, t, m, y, true), t, m);
    const short = jump(half, N(still, half, m, s, y, true), m, s);
    const defect = (p: typeof START) => long(p).map((value, i) => (value - short[i]!) / (t - s));
    mva.push(weight(defect(still)) * meanSquare(defect(theta)));
  }
  return average(fm) + average(sol) + o.additivityWeight * average(mva);
}

describe('eflowLoss', () => {
  it.each<[string, Partial<Options>]>([
    ['the defaults', {}],
    ['a weak path that sees the condition', { weakCondition: 'same' }],
    ['no guidance', { guidanceScale: 1 }],
    ['the guided velocity alone', { targetMixRatio: 1, guidanceScale: 2 }],
    ['no additivity', { additivityWeight: 0 }],
    ['strong additivity, power 1/2', { additivityWeight: 3, weightPower: 0.5 }],
    ['many drops', { classDropoutProb: 0.5, pathDropProb: 0.6 }],
    ['half and half', { velocityRatio: 0.5 }],
  ])('and its gradients agree with a float64 reference: %s', (_case, change) => {
    const options = { ...EFLOW_DEFAULTS, ...change };
    for (const seed of [1, 2, 3]) {
      const draws = drawEflow(createStream(seed), SHAPE, 0.03, options);
      const theta = thetaTensors();
      const { values, grads } = valueAndGrad(() => eflowLoss(toyNetworks(theta), batch, draws, options), theta);
      expectClose(values.loss, [reference(START, START, draws, options)], { rtol: 2e-4, atol: 1e-4 });
      const numeric = Object.keys(START).map((name) => {
        const at = (step: number) =>
          reference({ ...START, [name]: START[name as keyof typeof START] + step }, START, draws, options);
        return (at(1e-6) - at(-1e-6)) / 2e-6;
      });
      // dq divides float32 differences by t - l, down to 1e-4.
      expectClose(tf.stack(Object.values(grads)), numeric, { rtol: 2e-3, atol: 2e-3 });
    }
  });

  it('takes the guidance scale as a scalar, 1 included', () => {
    for (const guidanceScale of [1, 2.5]) {
      const run = (scale: number | tf.Scalar, ratio: number | tf.Scalar) => {
        const options = { ...EFLOW_DEFAULTS, guidanceScale: scale };
        const draws = drawEflow(createStream(4), SHAPE, ratio, options);
        const theta = thetaTensors();
        return valueAndGrad(() => eflowLoss(toyNetworks(theta), batch, draws, options), theta);
      };
      const [numbers, scalars] = [run(guidanceScale, 0.03), run(tf.scalar(guidanceScale), tf.scalar(0.03))];
      expectClose(scalars.values.loss, numbers.values.loss, { rtol: 1e-5, atol: 1e-6 });
      expectClose(tf.stack(Object.values(scalars.grads)), tf.stack(Object.values(numbers.grads)), {
        rtol: 1e-4,
        atol: 1e-5,
      });
    }
  });

  it('is zero, and so is its gradient, for an exact solution map', () => {
    // All data at one point a: x_t = (1 - t) a + t x_1 moves straight, so u = (x_t - a) / t for every s.
    const point = 0.4;
    const k = tf.scalar(1);
    const exact: Network = ({ noisy, timestep }) => tf.mul(tf.div(tf.sub(noisy, point), perExample(timestep, 2)), k);
    const options = { ...EFLOW_DEFAULTS, guidanceScale: 1, weightPower: 0 };
    const draws = drawEflow(createStream(5), [64, 3], 0.1, options);
    const still = { data: tf.fill([64, 3], point), condition: tf.zeros([64]), nullCondition: tf.zeros([64]) };
    const run = (network: Network) =>
      valueAndGrad(() => eflowLoss({ strong: network, weak: network }, still, draws, options), { k });
    const { values, grads } = run(exact);
    for (const name of ['velocityLoss', 'solutionLoss', 'additivityLoss'] as const) {
      expect(values[name].dataSync()[0]!).toBeLessThan(1e-5);
    }
    expect(Math.abs(grads.k.dataSync()[0]!)).toBeLessThan(1e-3);
    const spoiled = run((input) => tf.add(exact(input), tf.square(perExample(input.targetTimestep, 2))));
    expect(spoiled.values.solutionLoss.dataSync()[0]!).toBeGreaterThan(1e-3);
    expect(spoiled.values.additivityLoss.dataSync()[0]!).toBeGreaterThan(1e-4);
  });

  it('passes the same kept tokens to every pass on a row', () => {
    const keptTokens = tf.reshape(tf.range(0, 22, 1, 'int32'), [11, 2]);
    const seen: { rows: number[][]; labels: number[] }[] = [];
    const networks = toyNetworks(thetaTensors());
    const watching: Network = (input) => {
      seen.push({ rows: input.keptTokens!.arraySync() as number[][], labels: Array.from(input.condition.dataSync()) });
      return networks.strong(input);
    };
    const options = { ...EFLOW_DEFAULTS, classDropoutProb: 0 };
    const draws = drawEflow(createStream(6), SHAPE, 0.1, options);
    eflowLoss({ strong: watching, weak: networks.weak }, { ...batch, keptTokens }, draws, options);
    expect(seen.map(({ rows }) => rows.length).sort((a, b) => a - b)).toEqual([3, 6, 11, 11]);
    const tokens = (first: number, last: number) =>
      Array.from({ length: last - first }, (_, i) => [2 * (first + i), 2 * (first + i) + 1]);
    for (const { rows, labels } of seen) {
      const first = rows.length === 11 ? 0 : 8;
      expect(rows).toEqual(rows.length === 6 ? [...tokens(8, 11), ...tokens(8, 11)] : tokens(first, 11));
      if (rows.length === 3) expect(labels).toEqual([9, 10, 11]);
    }
  });

  it('leaves only what it returns', () => {
    const options = EFLOW_DEFAULTS;
    const draws = drawEflow(createStream(7), SHAPE, 0.1, options);
    const theta = thetaTensors();
    const step = () => tf.tidy(() => valueAndGrad(() => eflowLoss(toyNetworks(theta), batch, draws, options), theta));
    tf.dispose(step());
    const before = tf.memory().numTensors;
    const { values, grads } = step();
    expect(tf.memory().numTensors).toBe(before + 4 + 5);
    tf.dispose([values, grads]);
  });

  it('propagates NaN from the network', () => {
    const options = EFLOW_DEFAULTS;
    const draws = drawEflow(splitStream(createStream(8), 0), SHAPE, 0.1, options);
    const broken: Network = ({ noisy }) => stopGradient(() => tf.fill(noisy.shape, Number.NaN));
    expect(eflowLoss({ strong: broken, weak: broken }, batch, draws, options).loss.dataSync()[0]).toBeNaN();
  });
});
