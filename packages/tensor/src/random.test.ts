import * as tf from '@tensorflow/tfjs-core';
import { describe, expect, it } from 'vitest';
import { philoxNormal } from './philox.ts';
import { createStream, randomBits, randomNormal, randomUniform, splitStream } from './random.ts';

describe('streams', () => {
  it('repeat themselves and differ by label', () => {
    const stream = createStream(5);
    expect(splitStream(stream, 'a')).toEqual(splitStream(createStream(5), 'a'));
    const seeds = [
      stream,
      createStream(6),
      createStream(5 + 2 ** 32),
      splitStream(stream, 'a'),
      splitStream(stream, 'b'),
    ];
    seeds.push(
      splitStream(stream, 0),
      splitStream(stream, 1),
      splitStream(stream, '0'),
      splitStream(splitStream(stream, 'a'), 'a'),
    );
    expect(new Set(seeds.map((s) => s.seed.join())).size).toBe(seeds.length);
  });

  it('10,000 steps give 10,000 seeds', () => {
    const stream = createStream(0);
    expect(new Set(Array.from({ length: 10_000 }, (_, step) => splitStream(stream, step).seed.join())).size).toBe(
      10_000,
    );
  });

  it('draw tensors of the shape and type asked for, without leaks', () => {
    const before = tf.memory().numTensors;
    const draws = [randomBits, randomUniform, randomNormal].map((draw) => draw(createStream(1), [2, 3, 5]));
    expect(draws.map((x) => [x.shape, x.dtype])).toEqual([
      [[2, 3, 5], 'int32'],
      [[2, 3, 5], 'float32'],
      [[2, 3, 5], 'float32'],
    ]);
    expect(tf.memory().numTensors).toBe(before + 3);
    tf.dispose(draws);
  });

  it('give the TypeScript numbers on a backend without kernels of its own', () => {
    const stream = createStream(11);
    const values = randomNormal(stream, [7]);
    const expected = philoxNormal(stream.seed, 7);
    for (const [i, value] of values.dataSync().entries()) expect(Math.abs(value - expected[i]!)).toBeLessThan(1e-6);
    values.dispose();
  });

  it.each([-1, 1.5, Number.NaN, 2 ** 53])('refuse the seed %d', (seed) => {
    expect(() => createStream(seed)).toThrow(`seed is ${seed}`);
  });

  it.each([-1, 0.5, 2 ** 32])('refuse the label %d', (label) => {
    expect(() => splitStream(createStream(0), label)).toThrow(`label is ${label}`);
  });
});
