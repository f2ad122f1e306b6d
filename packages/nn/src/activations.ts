import * as tf from '@tensorflow/tfjs-core';

/** x sigmoid(x) (Hendrycks and Gimpel, arXiv 1606.08415). Any shape; the caller owns the result. */
export const silu = (x: tf.Tensor): tf.Tensor => tf.tidy(() => tf.mul(x, tf.sigmoid(x)));

// 0.5 (1 + tanh(u)) = sigmoid(2 u), with u = sqrt(2 / pi) (x + 0.044715 x^3).
const SLOPE = 2 * Math.sqrt(2 / Math.PI);
const CUBIC = 0.044715;

/** GELU in its tanh form, 0.5 x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))). Any shape; the caller owns the result. */
export function gelu(x: tf.Tensor): tf.Tensor {
  return tf.customGrad((input, save) => {
    const a = input as tf.Tensor;
    const gate = tf.sigmoid(tf.mul(a, tf.add(tf.mul(tf.square(a), SLOPE * CUBIC), SLOPE)));
    (save as tf.GradSaveFunc)([a, gate]);
    return {
      value: tf.mul(a, gate),
      gradFunc: (dy: tf.Tensor, saved: tf.Tensor[]) => {
        const [b, g] = saved as [tf.Tensor, tf.Tensor];
        const argumentSlope = tf.add(tf.mul(tf.square(b), 3 * SLOPE * CUBIC), SLOPE);
        const gateSlope = tf.mul(tf.mul(g, tf.sub(1, g)), argumentSlope);
        return tf.mul(dy, tf.add(g, tf.mul(b, gateSlope)));
      },
    };
  })(x);
}
