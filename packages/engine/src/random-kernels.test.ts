import {
  createStream,
  philoxBits,
  philoxNormal,
  philoxUniform,
  RANDOM_KERNELS,
  randomBits,
  randomNormal,
  randomUniform,
  type Seed,
} from '@eflow/tensor';
import { expectNoLeak } from '@eflow/testing';
import * as tf from '@tensorflow/tfjs-core';
import fc from 'fast-check';
import { beforeAll, expect, it } from 'vitest';
import { useTensorFlow } from './use-tensorflow.ts';

beforeAll(async () => void (await useTensorFlow()));

const run = (kind: keyof typeof RANDOM_KERNELS, shape: number[], seed: Seed) =>
  tf.tidy(() => (tf.engine().runKernel(RANDOM_KERNELS[kind], {}, { shape, seed: [...seed] }) as tf.Tensor).dataSync());

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

it('leaves no tensor behind, neither in TensorFlow.js nor in the addon', () => {
  const { binding } = tf.backend() as tf.KernelBackend & { binding: { getNumOfTensors(): number } };
  const stream = createStream(11);
  const before = binding.getNumOfTensors();
  expectNoLeak(() => [randomBits(stream, [5, 7]), randomUniform(stream, [5, 7]), randomNormal(stream, [5, 7])]);
  expect(binding.getNumOfTensors()).toBe(before);
});
