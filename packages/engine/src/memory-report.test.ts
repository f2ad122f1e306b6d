import * as tf from '@tensorflow/tfjs-core';
import { expect, it } from 'vitest';
import { reportMemory } from './memory-report.ts';
import { useTensorFlow } from './use-tensorflow.ts';

it('counts tensors, their bytes, and what the process holds', async () => {
  await useTensorFlow();
  const before = reportMemory();
  const tensor = tf.add(tf.fill([1024, 1024, 32], 1), 0); // 128 MiB, computed and kept
  const after = reportMemory();
  expect(after.tensorBytes - before.tensorBytes).toBeGreaterThanOrEqual(2 ** 27);
  expect(after.numTensors).toBeGreaterThan(before.numTensors);
  // The system counts pages late and may take some away: half is what shows that these are bytes, of this process.
  expect(after.peakResidentBytes - before.residentBytes).toBeGreaterThan(2 ** 26);
  expect(after.residentBytes).toBeGreaterThan(2 ** 26);
  expect(after.peakResidentBytes).toBeGreaterThan(after.residentBytes / 2);
  tensor.dispose();
});
