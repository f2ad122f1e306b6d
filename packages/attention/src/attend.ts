import { type Fusible, fuse } from '@eflow/tensor';
import * as tf from '@tensorflow/tfjs-core';

/**
 * softmax(q k^T + mask) v over the last two axes, for q [..., Q, D], scaled already, and k and v [..., K, D]; `mask` is a
 * constant that broadcasts to [..., Q, K]. Returns [..., Q, D], owned by the caller. The gradient keeps the weights and
 * the output, and takes the sum of weights times their slopes from the output's [..., Q, D] instead of from the
 * [..., Q, K] of the weights (Dao et al., arXiv 2205.14135, appendix B.2).
 */
export function attend(q: tf.Tensor, k: tf.Tensor, v: tf.Tensor, mask?: tf.Tensor): tf.Tensor {
  return tf.customGrad((...args) => {
    const [queries, keys, values] = args as [tf.Tensor, tf.Tensor, tf.Tensor];
    const scores = tf.matMul(queries, keys, false, true);
    const weights = tf.softmax(mask ? tf.add(scores, mask) : scores);
    const output = tf.matMul(weights, values);
    (args.at(-1) as tf.GradSaveFunc)([queries, keys, values, weights, output]);
    return {
      value: output,
      gradFunc: (dy: tf.Tensor, saved: tf.Tensor[]) => {
        const [qs, ks, vs, w, o] = saved as [tf.Tensor, tf.Tensor, tf.Tensor, tf.Tensor, tf.Tensor];
        const slopes = tf.matMul(dy, vs, false, true);
        const meanSlope = tf.sum(tf.mul(dy, o), -1, true);
        const dScores = fuse(scoreGradient, w, slopes, meanSlope)[0]!;
        return [tf.matMul(dScores, ks), tf.matMul(dScores, qs, true, false), tf.matMul(w, dy, true, false)];
      },
    };
  })(q, k, v);
}

const scoreGradient: Fusible = (weights, slopes, meanSlope) => [tf.mul(weights!, tf.sub(slopes!, meanSlope!))];
