import { createStream, randomNormal, randomUniform } from '@eflow/tensor';
import { expectClose, expectGradients, expectNoLeak } from '@eflow/testing';
import * as tf from '@tensorflow/tfjs-core';
import { describe, expect, it } from 'vitest';
import { interpolate, PATHS, pathCoefficients, pathVelocity, perExample } from './path.ts';

const data = randomNormal(createStream(1), [3, 2, 5]);
const noise = randomNormal(createStream(2), [3, 2, 5]);
const t = randomUniform(createStream(3), [3]);

/** a, b, a', b' of one time, in float64. */
const FORMULAS = {
  linear: (time: number) => [1 - time, time, -1, 1],
  trigonometric: (time: number) => {
    const angle = (Math.PI * time) / 2;
    return [Math.cos(angle), Math.sin(angle), (-Math.PI / 2) * Math.sin(angle), (Math.PI / 2) * Math.cos(angle)];
  },
};

describe.each(PATHS)('the %s path', (path) => {
  it('has the coefficients of its formula, and their derivatives', () => {
    const { a, b, da, db } = pathCoefficients(path, t);
    const expected = Array.from(t.dataSync(), FORMULAS[path]);
    [a, b, da, db].forEach((coefficient, i) => {
      expectClose(
        coefficient,
        expected.map((row) => row[i]!),
      );
    });
    expectNoLeak(() => Object.values(pathCoefficients(path, t)));
  });

  it('goes from data, bit for bit, to noise', () => {
    expectClose(interpolate(data, noise, tf.zeros([3]), path), data, { rtol: 0, atol: 0 });
    expectClose(interpolate(data, noise, tf.ones([3]), path), noise);
  });

  it('is a(t) data + b(t) noise, and its velocity a(t)′ data + b(t)′ noise', () => {
    const [x0, x1, times] = [data.dataSync(), noise.dataSync(), t.dataSync()];
    const mix = (a: number, b: number) =>
      Array.from(x0, (value, i) => {
        const row = FORMULAS[path](times[Math.floor(i / 10)]!);
        return row[a]! * value + row[b]! * x1[i]!;
      });
    expectClose(interpolate(data, noise, t, path), mix(0, 1));
    expectClose(pathVelocity(data, noise, t, path), mix(2, 3));
    expectNoLeak(() => interpolate(data, noise, t, path));
    expectNoLeak(() => pathVelocity(data, noise, t, path));
  });

  it('has the velocity d/dt x_t', () => {
    // Central differences: off by h^2 |x'''| / 6 < 2e-4 |x|, and by float32's rounding over h.
    const at = (step: number) => interpolate(data, noise, tf.add(t, step), path);
    const difference = tf.div(tf.sub(at(0.01), at(-0.01)), 0.02);
    expectClose(pathVelocity(data, noise, t, path), difference, { rtol: 0, atol: 1e-3 });
  });

  it('has the gradients of data and noise', () => {
    expectGradients((x0, x1) => interpolate(x0!, x1!, t, path), [data, noise]);
    expectGradients((x0, x1) => pathVelocity(x0!, x1!, t, path), [data, noise]);
  });
});

describe('interpolate and pathVelocity', () => {
  it('take the linear path unless told otherwise', () => {
    expectClose(interpolate(data, noise, t), interpolate(data, noise, t, 'linear'), { rtol: 0, atol: 0 });
    expectClose(pathVelocity(data, noise, t), tf.sub(noise, data), { rtol: 0, atol: 0 });
  });
});

describe('perExample', () => {
  it('appends unit axes up to the rank', () => {
    expect(perExample(t, 4).shape).toEqual([3, 1, 1, 1]);
    expect(perExample(t, 1).shape).toEqual([3]);
  });
});
