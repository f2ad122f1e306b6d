import * as tf from '@tensorflow/tfjs-core';
import { expect, it } from 'vitest';
import { useTensorFlow } from './use-tensorflow.ts';

it('shares', async () => {
  const info = await useTensorFlow();
  expect(info.tensorflowVersion).toBe('2.21.0');
  expect(tf.getBackend()).toBe('tensorflow');
});
