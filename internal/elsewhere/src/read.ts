import * as tf from '@tensorflow/tfjs-core';

/** The values of the tensors that `fn` returns; leaves no tensor behind. A browser's GPU is read asynchronously only. */
export async function read(fn: () => tf.Tensor[]): Promise<number[][]> {
  const tensors = tf.tidy(fn);
  try {
    return (await Promise.all(tensors.map((tensor) => tensor.data()))).map((values) => Array.from(values));
  } finally {
    tf.dispose(tensors);
  }
}
