import { createStream, randomNormal, randomUniform } from '@eflow/tensor';
import { expectClose, expectGradients, expectNoLeak } from '@eflow/testing';
import * as tf from '@tensorflow/tfjs-core';
import { describe, it } from 'vitest';
import { interpolate, solutionMap } from './path.ts';

const data = randomNormal(createStream(1), [3, 2, 5]);
const noise = randomNormal(createStream(2), [3, 2, 5]);
const t = randomUniform(createStream(3), [3]);
const s = randomUniform(createStream(4), [3]);

describe('interpolate', () => {
  it('is data at t = 0, noise at t = 1 and (1 - t) data + t noise between', () => {
    expectClose(interpolate(data, noise, tf.zeros([3])), data);
    expectClose(interpolate(data, noise, tf.ones([3])), noise);
    const [a, b, times] = [data.dataSync(), noise.dataSync(), t.dataSync()];
    const expected = Array.from(a, (value, i) => {
      const time = times[Math.floor(i / 10)]!;
      return (1 - time) * value + time * b[i]!;
    });
    expectClose(interpolate(data, noise, t), expected);
    expectNoLeak(() => interpolate(data, noise, t));
  });
});

describe('solutionMap', () => {
  it('stays where s = t, whatever the velocity, bit for bit', () => {
    expectClose(solutionMap(data, noise, t, t), data, { rtol: 0, atol: 0 });
  });

  it('carries x_t to x_s along the straight velocity noise - data', () => {
    const carried = solutionMap(interpolate(data, noise, t), tf.sub(noise, data), t, s);
    expectClose(carried, interpolate(data, noise, s), { atol: 1e-5 });
  });

  it('has the gradients of x and u', () => {
    expectGradients((x, u) => solutionMap(x!, u!, t, s), [data, noise]);
  });
});
