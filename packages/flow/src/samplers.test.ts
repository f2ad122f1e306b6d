import { createStream, randomNormal } from '@eflow/tensor';
import { expectClose, expectNoLeak } from '@eflow/testing';
import * as tf from '@tensorflow/tfjs-core';
import { describe, expect, it } from 'vitest';
import type { Network } from './network.ts';
import { perExample } from './path.ts';
import { sampleEuler, sampleFewStep, sampleWithRenoising } from './samplers.ts';

// Data N(0, sd^2): x_t has the deviation h(t) = sqrt((1 - t)^2 sd^2 + t^2), and the flow scales x by h(s) / h(t).
const SD = 0.5;
const deviation = (t: tf.Tensor) => tf.sqrt(tf.add(tf.square(tf.mul(tf.sub(1, t), SD)), tf.square(t)));

/** The exact mean velocity of that flow; where s = t, its limit x h'(t) / h(t). */
const exact: Network = ({ noisy, timestep: t, targetTimestep: s }) => {
  const slope = tf.div(tf.sub(tf.mul(t, 1 + SD ** 2), SD ** 2), tf.square(deviation(t)));
  const jump = tf.sub(t, s);
  const mean = tf.div(tf.sub(1, tf.div(deviation(s), deviation(t))), tf.maximum(jump, 1e-6));
  return tf.mul(noisy, perExample(tf.where(tf.less(jump, 1e-6), slope, mean), noisy.rank));
};

const noise = randomNormal(createStream(1), [4, 3, 5]);
const input = { noise, condition: tf.zeros([4]) };
const expected = tf.mul(noise, SD);

describe('sampleFewStep', () => {
  it.each([1, 2, 4, 8])('is exact in %d steps for an exact solution map', (numSteps) => {
    const { data, nfe } = sampleFewStep(exact, { ...input, numSteps });
    expect(nfe).toBe(numSteps);
    expectClose(data, expected, { rtol: 1e-4, atol: 1e-5 });
  });
});

describe('sampleWithRenoising', () => {
  it('is sampleFewStep for one step and keeps the distribution for more', () => {
    const stream = createStream(2);
    expectClose(sampleWithRenoising(exact, { ...input, numSteps: 1, stream }).data, expected, {
      rtol: 1e-4,
      atol: 1e-5,
    });
    const many = randomNormal(createStream(3), [20_000, 1]);
    const { data, nfe } = sampleWithRenoising(exact, {
      noise: many,
      condition: tf.zeros([20_000]),
      numSteps: 4,
      stream,
    });
    expect(nfe).toBe(4);
    const { mean, variance } = tf.moments(data);
    expect(Math.abs(mean.dataSync()[0]!)).toBeLessThan(0.018); // 5 standard errors
    expect(Math.abs(Math.sqrt(variance.dataSync()[0]!) - SD)).toBeLessThan(0.0125);
  });
});

describe('sampleEuler', () => {
  it('converges to the flow at first order', () => {
    const error = (numSteps: number) =>
      tf.norm(tf.sub(sampleEuler(exact, { ...input, numSteps }).data, expected)).dataSync()[0]!;
    const [coarse, fine] = [error(40), error(80)];
    expect(coarse / fine).toBeGreaterThan(1.8);
    expect(coarse / fine).toBeLessThan(2.2);
  });

  it('guides with a second evaluation per step', () => {
    // N = c, constant: one step from 1 to 0 subtracts v_null + w (v_c - v_null).
    const constant: Network = ({ noisy, condition }) => tf.mul(tf.onesLike(noisy), perExample(condition, 3));
    const { data, nfe } = sampleEuler(constant, {
      noise,
      condition: tf.fill([4], 5),
      nullCondition: tf.fill([4], 2),
      guidanceScale: 1.5,
      numSteps: 3,
    });
    expect(nfe).toBe(6);
    expectClose(data, tf.sub(noise, 2 + 1.5 * 3), { atol: 1e-5 });
  });

  it('asks for the null condition', () => {
    expect(() => sampleEuler(exact, { ...input, numSteps: 2, guidanceScale: 2 })).toThrow('needs nullCondition');
  });
});

describe('all samplers', () => {
  it.each([0, -1, 1.5, Number.NaN])('refuse %d steps', (numSteps) => {
    for (const sample of [sampleFewStep, sampleEuler]) {
      expect(() => sample(exact, { ...input, numSteps })).toThrow(`numSteps is ${numSteps}`);
    }
    expect(() => sampleWithRenoising(exact, { ...input, numSteps, stream: createStream(0) })).toThrow('numSteps is');
  });

  it('leave the noise alone and no tensors behind', () => {
    expectNoLeak(() => sampleFewStep(exact, { ...input, numSteps: 3 }).data);
    expectNoLeak(() => sampleWithRenoising(exact, { ...input, numSteps: 3, stream: createStream(4) }).data);
    expectNoLeak(() => sampleEuler(exact, { ...input, numSteps: 3 }).data);
    expect(noise.isDisposed).toBe(false);
  });
});
