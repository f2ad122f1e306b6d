import { describe, expect, it } from 'vitest';
import { PLATFORM_TAGS, WHEELS, type Wheel } from './wheels.ts';

const all: [string, Wheel][] = Object.entries(WHEELS).flatMap(([key, wheels]) =>
  wheels.map((wheel): [string, Wheel] => [key, wheel]),
);
const tensorflow = WHEELS['cpu-x64'][0]!;

describe('the table', () => {
  it.each(all)('%s $name is pinned', (_, { sha256, sizeBytes, unpackedBytes, version }) => {
    expect(sha256).toMatch(/^[0-9a-f]{64}$/);
    expect(version).toMatch(/^\d+(\.\d+)+$/);
    expect(unpackedBytes).toBeGreaterThan(sizeBytes);
  });

  it('names no wheel, hash or folder twice within a set-up', () => {
    for (const wheels of Object.values(WHEELS)) {
      for (const field of ['name', 'sha256', 'folder'] as const) {
        expect(new Set(wheels.map((wheel) => wheel[field])).size).toBe(wheels.length);
      }
    }
    expect(Object.keys(PLATFORM_TAGS)).toEqual(['x64', 'arm64']);
  });
});

it.each([
  ['tensorflow/libtensorflow_cc.so.2', true],
  ['tensorflow/libtensorflow_framework.so.2', true],
  ['tensorflow/include/tensorflow/c/eager/c_api.h', true],
  ['tensorflow/include/xla/tsl/c/tsl_status.h', true],
  ['tensorflow/include/Eigen/src/Core/Matrix.h', true],
  ['tensorflow/include/tensorflow/compiler/jit/flags.h', false],
  ['tensorflow/python/_pywrap_tensorflow_internal.so', false],
  ['other/tensorflow/libtensorflow_cc.so.2', false],
])('takes %s from the TensorFlow wheel: %s', (name, taken) => {
  expect(tensorflow.members.test(name)).toBe(taken);
});

it.each([
  ['nvidia/cublas/lib/libcublas.so.12', true],
  ['nvidia/cuda_nvcc/bin/ptxas', true],
  ['nvidia/cuda_nvcc/nvvm/libdevice/libdevice.10.bc', true],
  ['nvidia/cublas/include/cublas.h', false],
  ['nvidia/__init__.py', false],
])('takes %s from an NVIDIA wheel: %s', (name, taken) => {
  const cublas = WHEELS['cuda-x64'].find((wheel) => wheel.folder === 'nvidia/cublas')!;
  expect(cublas.members.test(name)).toBe(taken);
});
