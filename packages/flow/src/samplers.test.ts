import { createStream, randomNormal, splitStream } from '@eflow/tensor';
import { expectClose, expectNoLeak } from '@eflow/testing';
import * as tf from '@tensorflow/tfjs-core';
import { describe, expect, it } from 'vitest';
import type { Condition, Network } from './network.ts';
import { interpolate, PATHS, type Path, perExample } from './path.ts';
import {
  type Sample,
  type SampleInput,
  type SampleProgress,
  sampleEuler,
  sampleFewStep,
  sampleHeun,
  sampleWithRenoising,
} from './samplers.ts';
import { SOLUTION_MAPS, type SolutionMap, solutionMap, velocityFactor } from './solution-map.ts';
import { type TimeGrid, timeGrid } from './time-grid.ts';

/** Deviation of the data, which are N(0, 1/4): x_t has the deviation h(t) = |(a / 2, b)|, and the flow scales x by h(s) / h(t). */
const SD = 0.5;
function deviation(path: Path, t: number): number {
  const angle = (Math.PI / 2) * t;
  return path === 'linear' ? Math.hypot((1 - t) * SD, t) : Math.hypot(Math.cos(angle) * SD, Math.sin(angle));
}

/** The exact network of that flow, its factors in float64; at s = t its velocity h' / h x. */
const exact =
  (path: Path, map: SolutionMap): Network =>
  ({ noisy, timestep, targetTimestep }) => {
    const ends = targetTimestep.dataSync();
    const factors = Array.from(timestep.dataSync(), (t, row) => {
      const s = ends[row]!;
      const h = (time: number) => deviation(path, time);
      if (s === t) return (h(t + 1e-5) - h(t - 1e-5)) / 2e-5 / h(t) / velocityFactor(map);
      const angle = (Math.PI / 2) * (s - t);
      const [a, b] = map === 'euler' ? [1, s - t] : [Math.cos(angle), Math.sin(angle)];
      return (h(s) / h(t) - a) / b;
    });
    return tf.mul(noisy, perExample(tf.tensor1d(factors), noisy.rank));
  };

const noise = randomNormal(createStream(1), [4, 3, 5]);
const input = { noise, condition: tf.zeros([4]) };
const expected = tf.mul(noise, SD);
const stream = createStream(2);
const COMBINATIONS = PATHS.flatMap((path) => SOLUTION_MAPS.map((map) => [path, map] as const));
const count = () => tf.memory().numTensors;

/** N = condition, constant. */
const constant: Network = ({ noisy, condition }) =>
  tf.mul(tf.onesLike(noisy), perExample(condition as tf.Tensor, noisy.rank));

type Sampler = (network: Network, at: SampleInput) => Sample;
const FEW_STEP: Record<string, Sampler> = {
  sampleFewStep,
  sampleWithRenoising: (network, at) => sampleWithRenoising(network, { ...at, stream }),
};
const ITERATIVE = { sampleEuler, sampleHeun };
const ALL = Object.entries<Sampler>({ ...FEW_STEP, ...ITERATIVE });

describe.each(COMBINATIONS)('sampleFewStep, %s path and %s map', (path, map) => {
  it.each([1, 2, 4, 8])('is exact in %d steps of any grid for an exact map', (numSteps) => {
    const grids: TimeGrid[] = [{ kind: 'uniform' }, { kind: 'shifted', shift: 3 }, { kind: 'quadratic' }];
    for (const grid of grids) {
      const steps = timeGrid(numSteps, grid);
      const { data, nfe, weakNfe } = sampleFewStep(exact(path, map), { ...input, steps, map });
      expect([nfe, weakNfe]).toEqual([numSteps, 0]);
      expectClose(data, expected, { rtol: 1e-5, atol: 2e-6 });
    }
  });

  it('goes any part of the way', () => {
    const { data } = sampleFewStep(exact(path, map), { ...input, steps: [0.75, 0.5, 0.125], map });
    expectClose(data, tf.mul(noise, deviation(path, 0.125) / deviation(path, 0.75)), { atol: 2e-6 });
  });
});

describe('sampleFewStep', () => {
  it('takes equal steps and the Euler form unless told otherwise', () => {
    const network = exact('linear', 'euler');
    const { data } = sampleFewStep(network, { ...input, steps: 3 });
    const told = sampleFewStep(network, { ...input, steps: [1, 1 - 1 / 3, 1 - 2 / 3, 0], map: 'euler' });
    expectClose(data, told.data, { rtol: 0, atol: 0 });
  });

  it('asks for N(x, t_i, t_{i+1}, c), with all tokens', () => {
    const seen: number[][] = [];
    const network: Network = ({ noisy, timestep, targetTimestep, condition, ...rest }) => {
      seen.push([timestep, targetTimestep, condition as tf.Tensor].flatMap((x) => Array.from(x.dataSync())));
      expect(rest).toEqual({});
      return tf.zerosLike(noisy);
    };
    sampleFewStep(network, { noise: tf.zeros([2, 3]), condition: tf.tensor1d([7, 8]), steps: [1, 0.25, 0] });
    expect(seen).toEqual([
      [1, 1, 0.25, 0.25, 7, 8],
      [0.25, 0.25, 0, 0, 7, 8],
    ]);
  });
});

describe.each(COMBINATIONS)('sampleWithRenoising, %s path and %s map', (path, map) => {
  const network = exact(path, map);

  it('jumps to 0, mixes with fresh noise, and jumps again', () => {
    const steps = [1, 0.75, 0.25, 0];
    const { data, nfe } = sampleWithRenoising(network, { ...input, steps, stream, path, map });
    let x: tf.Tensor = noise;
    for (let i = 0; i < 3; i++) {
      const rows = (time: number) => tf.fill<tf.Rank.R1>([4], time);
      const [t, zero] = [rows(steps[i]!), rows(0)];
      const prediction = network({ noisy: x, timestep: t, targetTimestep: zero, condition: input.condition });
      x = solutionMap(x, prediction, t, zero, map);
      if (i < 2) x = interpolate(x, randomNormal(splitStream(stream, i), noise.shape), rows(steps[i + 1]!), path);
    }
    expect(nfe).toBe(3);
    expectClose(data, x, { rtol: 0, atol: 0 });
  });

  it('draws a row from its own stream where each has one, whatever the other rows', () => {
    const streams = [5, 6, 7, 8].map(createStream);
    const rows = (first: number, end: number) => {
      const part = { noise: tf.slice(noise, first, end - first), condition: tf.zeros([end - first]) };
      return sampleWithRenoising(network, { ...part, steps: 3, stream: streams.slice(first, end), path, map }).data;
    };
    const whole = rows(0, 4);
    expectClose(tf.concat([rows(0, 1), rows(1, 4)]), whole, { rtol: 0, atol: 0 });
    const same = sampleWithRenoising(network, { ...input, steps: 3, stream: Array(4).fill(streams[0]), path, map });
    expect(tf.max(tf.abs(tf.sub(same.data, whole))).dataSync()[0]).toBeGreaterThan(0.1);
    const few = { ...input, steps: 3, stream: streams.slice(1) };
    expect(() => sampleWithRenoising(network, few)).toThrow('got 3 streams for 4 rows');
  });

  it('is sampleFewStep for one step, and keeps the distribution for more', () => {
    expectClose(sampleWithRenoising(network, { ...input, steps: 1, stream, path, map }).data, expected, { atol: 2e-6 });
    const many = { noise: randomNormal(createStream(3), [20_000, 1]), condition: tf.zeros([20_000]) };
    const { data } = sampleWithRenoising(network, { ...many, steps: 4, stream, path, map });
    const { mean, variance } = tf.moments(data);
    expect(Math.abs(mean.dataSync()[0]!)).toBeLessThan(0.018); // 5 standard errors
    expect(Math.abs(Math.sqrt(variance.dataSync()[0]!) - SD)).toBeLessThan(0.0125);
    // Each mixing leaves the share a(s) SD / h(s) of the noise at the start.
    const share = (s: number) => ((path === 'linear' ? 1 - s : Math.cos((Math.PI / 2) * s)) * SD) / deviation(path, s);
    const correlation = tf.mean(tf.mul(many.noise, data)).dataSync()[0]! / SD;
    expect(Math.abs(correlation - share(0.75) * share(0.5) * share(0.25))).toBeLessThan(0.036);
  });
});

describe.each(COMBINATIONS)('iterative samplers, %s path and %s map', (path, map) => {
  it.each([
    ['sampleEuler', 1],
    ['sampleHeun', 2],
  ] as const)('%s converges to the flow at order %d', (name, order) => {
    const error = (steps: number) =>
      tf.norm(tf.sub(ITERATIVE[name](exact(path, map), { ...input, steps, map }).data, expected)).dataSync()[0]!;
    const [coarse, fine] = [error(24), error(48)];
    expect(Math.abs(Math.log2(coarse / fine) - order)).toBeLessThan(0.1);
  });
});

describe('sampleHeun', () => {
  it("takes Euler's step with the mean velocity of both ends, Euler's own to t = 0", () => {
    // N = x: x (1 + h + h^2 / 2) with h = -1/2, then x (1 - 1/2).
    const { data, nfe } = sampleHeun(({ noisy }) => tf.clone(noisy), { ...input, steps: 2 });
    expectClose(data, tf.mul(noise, 0.625 * 0.5));
    expect(nfe).toBe(3);
    // Not to 0: both steps are Heun's.
    const part = sampleHeun(({ noisy }) => tf.clone(noisy), { ...input, steps: [1, 0.75, 0.5] });
    expectClose(part.data, tf.mul(noise, (1 - 0.25 + 0.03125) ** 2));
    expect(part.nfe).toBe(4);
  });
});

describe.each(Object.entries(ITERATIVE))('%s with guidance', (name, sample) => {
  const evaluations = (steps: number) => (name === 'sampleHeun' ? 2 * steps - 1 : steps);
  const conditions = { condition: tf.fill([4], 5), noise };
  const nullCondition = tf.fill([4], 2);
  /** What the guidance adds up to over the way from 1 to 0, a constant velocity. */
  const guided = (scale: number, reference: number) => tf.sub(noise, reference + scale * (5 - reference));

  it.each([0, 0.5, 1.5, 3])('goes along v_null + %d (v_c - v_null), at two passes an evaluation', (scale) => {
    const { data, nfe, weakNfe } = sample(constant, { ...conditions, guidance: { scale, nullCondition }, steps: 3 });
    expectClose(data, guided(scale, 2), { atol: 1e-5 });
    expect([nfe, weakNfe]).toEqual([2 * evaluations(3), 0]);
  });

  it('scales the velocity of a trigonometric network by pi/2', () => {
    const guidance = { scale: 2, nullCondition };
    const { data } = sample(constant, { ...conditions, guidance, steps: 3, map: 'trigonometric' });
    expectClose(data, tf.sub(noise, (Math.PI / 2) * 8), { atol: 1e-5 });
  });

  it('hands trees on as they are', () => {
    const wrap = (x: tf.Tensor) => ({ class: [x] });
    const network: Network = (at) =>
      constant({ ...at, condition: (at.condition as ReturnType<typeof wrap>).class[0]! });
    const sampled = (by: Network, condition: Condition, none: Condition) =>
      sample(by, { noise, condition, steps: 3, guidance: { scale: 2.5, nullCondition: none } });
    const tree = sampled(network, wrap(conditions.condition), wrap(nullCondition));
    const lone = sampled(constant, conditions.condition, nullCondition);
    expectClose(tree.data, lone.data, { rtol: 0, atol: 0 });
    expect(tree.nfe).toBe(lone.nfe);
  });

  it('takes the weak path for reference, without the condition, and counts it apart', () => {
    const weakInputs: number[] = [];
    const weak: Network = ({ noisy, condition }) => {
      weakInputs.push(...(condition as tf.Tensor).dataSync());
      return tf.fill(noisy.shape, 3);
    };
    const { data, nfe, weakNfe } = sample(constant, {
      ...conditions,
      guidance: { scale: 1.5, nullCondition, weak },
      steps: 3,
    });
    expectClose(data, guided(1.5, 3), { atol: 1e-5 });
    expect([nfe, weakNfe]).toEqual([evaluations(3), evaluations(3)]);
    expect(weakInputs).toEqual(Array(4 * evaluations(3)).fill(2));
  });

  it('takes no second pass at scale 1', () => {
    for (const weak of [undefined, () => expect.fail('the weak path was called')]) {
      const guidance = { scale: 1, nullCondition, ...(weak && { weak }) };
      const { data, nfe, weakNfe } = sample(constant, { ...conditions, guidance, steps: 3 });
      expectClose(data, guided(1, 2), { atol: 1e-5 });
      expect([nfe, weakNfe]).toEqual([evaluations(3), 0]);
    }
  });

  it.each([-1, Number.NaN, Infinity])('refuses the scale %d', (scale) => {
    const before = count();
    expect(() => sample(constant, { ...conditions, guidance: { scale, nullCondition }, steps: 3 })).toThrow(
      `${name}: guidance.scale is ${scale}; expected a finite number of at least 0`,
    );
    expect(count()).toBe(before);
  });
});

describe.each(Object.entries(FEW_STEP))('%s with guidance', (name, sample) => {
  it('refuses a second pass, as guidance is trained in', () => {
    const nullCondition = tf.zeros([4]);
    const before = count();
    for (const guidance of [
      { scale: 2, nullCondition },
      { scale: 1, nullCondition },
      { scale: 2, weak: constant },
    ]) {
      expect(() => sample(constant, { ...input, steps: 3, guidance: guidance as never })).toThrow(
        `${name}: got guidance by a second pass, which a few-step network has trained in; leave it out, or give its scale alone`,
      );
    }
    expect(count()).toBe(before);
  });
});

describe.each(ALL)('%s of a network with its guidance scale as an input', (name, sample) => {
  /** Its velocity is the scale, whatever x and the times. */
  const scaled: Network = ({ noisy, guidanceScale }) =>
    tf.mul(perExample(guidanceScale!, noisy.rank), tf.onesLike(noisy));

  it('asks it at that scale, at one pass an evaluation', () => {
    const guidance = { scale: 2.5 };
    // Every sampler is asked for one step: x - scale.
    const { data, nfe, weakNfe } = sample(scaled, { ...input, steps: 1, guidance });
    expectClose(data, tf.sub(noise, 2.5), { atol: 1e-6 });
    expect([nfe, weakNfe]).toEqual([1, 0]);
    const { nfe: plain } = sample(constant, { ...input, steps: 3 });
    expect(sample(scaled, { ...input, steps: 3, guidance }).nfe).toBe(plain);
  });

  it.each([0.5, Number.NaN, Infinity])('refuses the scale %d', (scale) => {
    const before = count();
    expect(() => sample(scaled, { ...input, steps: 3, guidance: { scale } })).toThrow(
      `${name}: guidance.scale is ${scale}; expected a finite number of at least 1`,
    );
    expect(count()).toBe(before);
  });
});

describe.each(ALL)('%s', (name, sample) => {
  const network = exact('linear', 'euler');

  it('tells of every step: falling times and counts, and x', () => {
    const steps = [1, 0.7, 0.4, 0];
    const seen: Omit<SampleProgress, 'x'>[] = [];
    const states: tf.Tensor[] = [];
    const onStep = ({ x, ...progress }: SampleProgress) => {
      seen.push(progress);
      states.push(tf.clone(x));
    };
    const { data } = sample(network, { ...input, steps, onStep });
    const nfe = name === 'sampleHeun' ? [2, 4, 5] : [1, 2, 3];
    expect(seen).toEqual([0, 1, 2].map((i) => ({ step: i + 1, numSteps: 3, timestep: steps[i + 1], nfe: nfe[i] })));
    expectClose(states[2]!, data, { rtol: 0, atol: 0 });
    // From where it was told of, the rest is the same: x is the state after the step.
    if (name !== 'sampleWithRenoising') {
      const rest = sample(network, { ...input, noise: states[0]!, steps: steps.slice(1) });
      expectClose(rest.data, data, { rtol: 0, atol: 0 });
    }
  });

  it('ends before the next step when told to, with the reason, and leaves nothing', () => {
    const reason = new Error('enough');
    for (const stopAfter of [0, 2]) {
      const controller = new AbortController();
      if (stopAfter === 0) controller.abort(reason);
      let steps = 0;
      const onStep = ({ step }: SampleProgress) => {
        steps = step;
        if (step === stopAfter) controller.abort(reason);
      };
      const before = count();
      let thrown: unknown;
      try {
        sample(network, { ...input, steps: 5, onStep, signal: controller.signal });
      } catch (error) {
        thrown = error;
      }
      expect(thrown).toBe(reason);
      expect(steps).toBe(stopAfter);
      expect(count()).toBe(before);
    }
  });

  it('gives the sample where the last step is made already', () => {
    const controller = new AbortController();
    const onStep = ({ step }: SampleProgress) => step === 3 && controller.abort();
    const { data } = sample(network, { ...input, steps: 3, onStep, signal: controller.signal });
    expectClose(data, sample(network, { ...input, steps: 3 }).data, { rtol: 0, atol: 0 });
  });

  it.each<[string, Network, object]>([
    ['the network', () => tf.tidy(() => expect.fail('on purpose')), {}],
    ['onStep', network, { onStep: () => expect.fail('on purpose') }],
  ])('hands on what %s throws, and leaves nothing', (_who, failing, change) => {
    const before = count();
    expect(() => sample(failing, { ...input, steps: 3, ...change })).toThrow('on purpose');
    expect(count()).toBe(before);
  });

  it('refuses NaN, whenever the network gives it, and leaves nothing', () => {
    for (const badTime of [1, 0.5]) {
      const broken: Network = ({ noisy, timestep }) =>
        tf.fill(noisy.shape, Math.abs(timestep.dataSync()[0]! - badTime) < 1e-6 ? Number.NaN : 0);
      const before = count();
      expect(() => sample(broken, { ...input, steps: 2 })).toThrow(
        `${name}: the sample has NaN, so the network gave NaN`,
      );
      expect(count()).toBe(before);
    }
  });

  it.each<[SampleInput['steps'], string]>([
    [0, 'numSteps is 0; expected an integer of at least 1'],
    [-1, 'numSteps is -1'],
    [1.5, 'numSteps is 1.5'],
    [Number.NaN, 'numSteps is NaN'],
    [[1], `${name}: times has 1 entries`],
    [[0, 1], `${name}: times[1] is 1 after 0; expected times that fall`],
    [[1, 0.5, 0.5, 0], `${name}: times[2] is 0.5 after 0.5`],
    [[1.5, 0], `${name}: times[0] is 1.5; expected a time in [0, 1]`],
    [[1, Number.NaN], `${name}: times[1] is NaN`],
  ])('refuses the steps %j, and leaves nothing', (steps, message) => {
    const before = count();
    expect(() => sample(network, { ...input, steps })).toThrow(message);
    expect(count()).toBe(before);
  });

  it('leaves the noise alone and no tensors behind', () => {
    expectNoLeak(() => sample(network, { ...input, steps: 3 }).data);
    expectClose(noise, randomNormal(createStream(1), [4, 3, 5]), { rtol: 0, atol: 0 });
  });
});
