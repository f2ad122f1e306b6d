import '@tensorflow/tfjs-backend-cpu';
import * as tf from '@tensorflow/tfjs-core';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { philoxNormal, type Seed } from './philox.ts';
import {
  createStream,
  RANDOM_KERNELS,
  type RandomStream,
  randomBits,
  randomNormal,
  randomUniform,
  splitStream,
  uploadStream,
} from './random.ts';

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
    expect(new Set(seeds.map((s) => String(s.seed))).size).toBe(seeds.length);
  });

  it('10,000 steps give 10,000 seeds', () => {
    const stream = createStream(0);
    expect(new Set(Array.from({ length: 10_000 }, (_, step) => String(splitStream(stream, step).seed))).size).toBe(
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

  it.each([-1, 1.5, Number.NaN, 2 ** 53])('refuse the seed %d', (seed) => {
    expect(() => createStream(seed)).toThrow(`seed is ${seed}`);
  });

  it.each([-1, 0.5, 2 ** 32])('refuse the label %d', (label) => {
    expect(() => splitStream(createStream(0), label)).toThrow(`label is ${label}`);
  });
});

const words = (x: Seed | tf.Tensor) => (x instanceof tf.Tensor ? Array.from(x.dataSync()) : [...x]);

/** What a use of a stream would draw: children and grandchildren, by number and by name. */
function drawAll(stream: RandomStream) {
  const step = splitStream(stream, 2 ** 32 - 1);
  const purpose = splitStream(step, 'noise');
  return [
    words(step.seed),
    words(purpose.seed),
    ...[randomBits, randomUniform, randomNormal].map((draw) => words(draw(purpose, [3, 5]))),
    words(randomBits(stream, [])),
  ];
}

describe.each(['tensorflow', 'cpu'])('a stream whose seed is a tensor, on the backend %s', (backend) => {
  const before = tf.getBackend();
  beforeAll(() => tf.setBackend(backend));
  afterAll(() => tf.setBackend(before));

  it('has the children and the draws of the numeric stream', () => {
    const offered = Object.values(RANDOM_KERNELS).filter((kernel) => tf.getKernel(kernel, backend));
    expect(offered.length).toBe(backend === 'tensorflow' ? 4 : 0); // else one way would be tried twice
    const word = fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 });
    fc.assert(
      fc.property(word, word, (low, high) =>
        tf.tidy(() => {
          const stream = { seed: [low, high] } as const;
          expect(drawAll(uploadStream(stream))).toEqual(drawAll(stream));
        }),
      ),
      { numRuns: 50 },
    );
  });

  it('gives the normals of the TypeScript code to 1e-6', () => {
    const values = tf.tidy(() => randomNormal(uploadStream(createStream(11)), [7]).dataSync());
    const expected = philoxNormal([11, 0], 7);
    for (const [i, value] of values.entries()) expect(Math.abs(value - expected[i]!)).toBeLessThan(1e-6);
  });

  it('is owned by the caller, as its children are, and survives draws', () => {
    const numTensors = tf.memory().numTensors;
    const stream = uploadStream(createStream(3));
    const copy = uploadStream(stream);
    const child = splitStream(stream, 'child');
    const draws = [randomBits, randomUniform, randomNormal].map((draw) => draw(child, [2, 3]));
    expect(draws.map(({ shape, dtype }) => [shape, dtype])).toEqual([
      [[2, 3], 'int32'],
      [[2, 3], 'float32'],
      [[2, 3], 'float32'],
    ]);
    expect(tf.memory().numTensors).toBe(numTensors + 3 + 3);
    tf.dispose([...draws, child.seed as tf.Tensor, copy.seed]);
    expect(words(stream.seed)).toEqual([3, 0]);
    stream.seed.dispose();
    expect(tf.memory().numTensors).toBe(numTensors);
  });

  it('is refused if the tensor is no seed', () => {
    const wrong = [tf.tensor1d([1, 2]), tf.tensor1d([1, 2, 3], 'int32'), tf.tensor2d([[1, 2]], [1, 2], 'int32')];
    for (const seed of wrong as tf.Tensor1D[]) {
      const found = `its seed is ${seed.dtype} [${seed.shape.join(', ')}]; expected int32 [2]`;
      for (const use of [() => randomNormal({ seed }, [3]), () => splitStream({ seed }, 'a')])
        expect(use).toThrow(found);
      seed.dispose();
      expect(() => splitStream({ seed }, 'a')).toThrow('its seed is disposed');
    }
  });
});
