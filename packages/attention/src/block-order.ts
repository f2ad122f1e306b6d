import { stopGradient } from '@eflow/tensor';
import * as tf from '@tensorflow/tfjs-core';
import { cutSequence } from './sequence-blocks.ts';

/**
 * Orders the blocks of keys by what they matter to each block of queries: by mean(q) . mean(k) over their tokens, what
 * matters most first. q and k [B, N, L, D]; returns [B N, blocks, blocks] int32, without a gradient, owned by the caller.
 * SLA's map is the softmax of these products over sqrt(D), which has the same order; so has a row whatever positive number
 * its query is multiplied by, which is why the sum stands for the query's mean.
 */
export function orderBlocks(q: tf.Tensor, k: tf.Tensor, blockSize: number): tf.Tensor {
  const L = k.shape[2]!;
  const blocks = Math.ceil(L / blockSize);
  return stopGradient(() =>
    tf.tidy(() => {
      const sums = (x: tf.Tensor) => tf.sum(cutSequence(x, blockSize), 2); // [B N, blocks, D]
      const first = tf.mul(tf.range(0, blocks), blockSize);
      const counts = tf.reshape(tf.minimum(blockSize, tf.sub(L, first)), [blocks, 1]);
      const map = tf.matMul(sums(q), tf.div(sums(k), counts), false, true);
      // A sort may do anything with NaN.
      return tf.topk(tf.where(tf.isNaN(map), tf.zerosLike(map), map), blocks).indices;
    }),
  );
}

/** Each block's place in the order: the inverse of the permutations in the last axis of [..., blocks]. The caller owns it. */
export function rankBlocks(order: tf.Tensor): tf.Tensor {
  return tf.tidy(() => tf.topk(tf.neg(tf.cast(order, 'float32')), order.shape.at(-1)).indices);
}
