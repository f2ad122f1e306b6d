import * as tf from '@tensorflow/tfjs-core';

/** Runs `fn` twice (the first run may create what a backend caches); the second may leave only the tensors it returns. */
export function expectNoLeak(fn: () => tf.Tensor | tf.Tensor[]): void {
  tf.dispose(fn());
  const before = tf.memory().numTensors;
  tf.dispose(fn());
  const left = tf.memory().numTensors - before;
  if (left !== 0) throw new Error(`expectNoLeak: ${left} tensors are left`);
}
