import '@tensorflow/tfjs-backend-cpu';
import * as tf from '@tensorflow/tfjs-core';
import { afterAll, beforeAll, expect, it } from 'vitest';
import {
  hasBfloat16Products,
  hasNative,
  NATIVE_KERNEL,
  type NativeCall,
  type NativeKernelConfig,
  type NativeSources,
  runNative,
} from './native.ts';

const sources: NativeSources = { name: 'ours', folder: 'file:///ours/native/' };

beforeAll(() => tf.setBackend('cpu'));
afterAll(() => tf.setBackend('tensorflow'));

/** Our only op: its inputs, in order, times the attribute `scale`. */
const kernel: NativeKernelConfig = {
  kernelName: NATIVE_KERNEL,
  backendName: 'cpu',
  loads: ({ name }) => name === 'ours',
  hasBfloat16Products: () => true,
  kernelFunc: ({ inputs, attrs }) => {
    const { op, attributes, numOutputs } = attrs as object as NativeCall;
    expect({ op, numOutputs }).toEqual({ op: 'Scale', numOutputs: 2 });
    return (Object.values(inputs) as tf.Tensor[]).map((input) => tf.mul(input, Number(attributes.scale)));
  },
};

it('is absent on a backend that runs no native ops', () => {
  const x = tf.tensor1d([1, 2]);
  expect(hasNative(sources)).toBe(false);
  expect(hasBfloat16Products()).toBe(false);
  expect(() => runNative(sources, 'Scale', [x, x], { scale: 2 }, 2)).toThrow(NATIVE_KERNEL);
  x.dispose();
});

it('hands op, inputs and attributes to a backend that does', () => {
  tf.registerKernel(kernel);
  const before = tf.memory().numTensors;
  const [a, b] = [tf.tensor1d([1, 2, 3]), tf.tensor1d([5, 7])];
  expect(hasNative(sources)).toBe(true);
  expect(hasNative({ ...sources, name: 'theirs' })).toBe(false);
  expect(hasBfloat16Products()).toBe(true);
  const results = tf.tidy(() => runNative(sources, 'Scale', [a, b], { scale: 2 }, 2));
  expect(results.map((result) => Array.from(result.dataSync()))).toEqual([
    [2, 4, 6],
    [10, 14],
  ]);
  tf.unregisterKernel(NATIVE_KERNEL, 'cpu');
  tf.dispose([a, b, results]);
  expect(tf.memory().numTensors).toBe(before);
});

it('has no gradient of its own, which is an error and not zero', () => {
  tf.registerKernel(kernel);
  const scaled = (x: tf.Tensor) => tf.sum(runNative(sources, 'Scale', [x, x], { scale: 2 }, 2)[0]!);
  expect(() => tf.grad(scaled)(tf.tensor1d([1]))).toThrow(`gradient function not found for ${NATIVE_KERNEL}`);
  tf.unregisterKernel(NATIVE_KERNEL, 'cpu');
});
