import * as tf from '@tensorflow/tfjs-core';

/**
 * Picks blocks of tokens: x [A, blocks, size, D], picked [A, R, K] int32 -> [A, R, K size, D], owned by the caller. The
 * gradient of x sums over the places that a block was picked for; `picked` has none.
 */
export function gatherBlocks(x: tf.Tensor, picked: tf.Tensor): tf.Tensor {
  const [A, blocks, size, D] = x.shape as [number, number, number, number];
  const [, R, K] = picked.shape as [number, number, number];
  return tf.tidy(() => {
    // Blocks of all A in one list: a gather with batch dimensions has a slow gradient in TensorFlow.js.
    const first = tf.reshape(tf.mul(tf.range(0, A, 1, 'int32'), tf.scalar(blocks, 'int32')), [A, 1, 1]);
    const rows = tf.reshape(tf.add(picked, first), [A * R * K]);
    return tf.customGrad((...args) => {
      (args.at(-1) as tf.GradSaveFunc)([rows]);
      const list = tf.reshape(args[0] as tf.Tensor, [A * blocks, size * D]);
      return {
        value: tf.reshape(tf.gather(list, rows as tf.Tensor1D), [A, R, K * size, D]),
        gradFunc: (dy: tf.Tensor, [places]: tf.Tensor[]) => {
          const updates = tf.reshape(dy, [A * R * K, size * D]);
          return tf.reshape(tf.scatterND(tf.expandDims(places!, 1), updates, [A * blocks, size * D]), x.shape);
        },
      };
    })(x);
  });
}
