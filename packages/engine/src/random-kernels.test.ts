import {
  createStream,
  philoxBits,
  philoxNormal,
  philoxUniform,
  RANDOM_KERNELS,
  type RandomStream,
  randomBits,
  randomNormal,
  randomUniform,
  type Seed,
  splitStream,
  uploadStream,
} from '@eflow/tensor';
import { expectNoLeak } from '@eflow/testing';
import * as tf from '@tensorflow/tfjs-core';
import fc from 'fast-check';
import { beforeAll, expect, it } from 'vitest';
import { useTensorFlow } from './use-tensorflow.ts';

beforeAll(async () => void (await useTensorFlow()));

const run = (kind: 'bits' | 'uniform' | 'normal', shape: number[], seed: Seed) =>
  tf.tidy(() => {
    const input = tf.tensor1d([...seed], 'int32');
    return (tf.engine().runKernel(RANDOM_KERNELS[kind], { seed: input }, { shape }) as tf.Tensor).dataSync();
  });

const int32 = fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 });
const seeds = fc.tuple(int32, int32);
const sizes = fc.integer({ min: 1, max: 1000 });

it('gives the bits of @eflow/tensor, bit for bit', () => {
  fc.assert(
    fc.property(seeds, sizes, (seed, size) => {
      expect(run('bits', [size], seed)).toEqual(Int32Array.from(philoxBits(seed, size)));
    }),
  );
});

it.each([
  ['uniform', philoxUniform],
  ['normal', philoxNormal],
] as const)('gives the %s values of @eflow/tensor to 1e-6', (kind, reference) => {
  fc.assert(
    fc.property(seeds, sizes, (seed, size) => {
      const [actual, expected] = [run(kind, [size], seed), reference(seed, size)];
      expect(actual.length).toBe(size);
      const worst = Math.max(...expected.map((value, i) => Math.abs(value - actual[i]!)));
      expect(worst).toBeLessThan(1e-6);
    }),
  );
});

it('gives the shape asked for, scalars and empty tensors too', () => {
  for (const shape of [[], [0], [3, 0, 5], [2, 3, 5, 7]]) {
    const tensor = randomNormal(createStream(7), shape);
    expect(tensor.shape).toEqual(shape);
    expect(tensor.dtype).toBe('float32');
    expect(tensor.dataSync().length).toBe(tf.util.sizeFromShape(shape));
    tensor.dispose();
  }
});

it('splits as @eflow/tensor does, word for word, down to draws of grandchildren', () => {
  const labels = fc.oneof(fc.string(), fc.integer({ min: 0, max: 2 ** 32 - 1 }));
  fc.assert(
    fc.property(seeds, labels, labels, (seed, first, second) => {
      tf.tidy(() => {
        const family = (stream: RandomStream) => {
          const child = splitStream(stream, first);
          const grandchild = splitStream(child, second);
          return [child.seed, grandchild.seed, randomBits(grandchild, [5]), randomNormal(grandchild, [5])];
        };
        const words = (x: Seed | tf.Tensor) => (x instanceof tf.Tensor ? Array.from(x.dataSync()) : x);
        expect(family(uploadStream({ seed })).map(words)).toEqual(family({ seed }).map(words));
      });
    }),
  );
});

it('leaves no tensor behind, neither in TensorFlow.js nor in the addon', () => {
  const { binding } = tf.backend() as tf.KernelBackend & { binding: { getNumOfTensors(): number } };
  const before = binding.getNumOfTensors();
  const draws = (stream: RandomStream) => [
    randomBits(stream, [5, 7]),
    randomUniform(stream, [5, 7]),
    randomNormal(stream, [5, 7]),
  ];
  expectNoLeak(() => draws(createStream(11)));
  const stream = uploadStream(createStream(11));
  expectNoLeak(() => draws(stream));
  expectNoLeak(() => splitStream(stream, 'a').seed as tf.Tensor);
  stream.seed.dispose();
  expect(binding.getNumOfTensors()).toBe(before);
});
