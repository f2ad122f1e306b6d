import { type Fusible, fuse } from '@eflow/tensor';
import * as tf from '@tensorflow/tfjs-core';

/** x sigmoid(x) (Hendrycks and Gimpel, arXiv 1606.08415). Any shape; the caller owns the result. */
export const silu = (x: tf.Tensor): tf.Tensor => tf.tidy(() => tf.mul(x, tf.sigmoid(x)));

// 0.5 (1 + tanh(u)) = sigmoid(2 u), with u = sqrt(2 / pi) (x + 0.044715 x^3).
const SLOPE = 2 * Math.sqrt(2 / Math.PI);
const CUBIC = 0.044715;

/** GELU in its tanh form, 0.5 x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))). Any shape; the caller owns the result. */
export function gelu(x: tf.Tensor): tf.Tensor {
  return tf.customGrad((input, save) => {
    const [value, gate] = fuse(gateInput, input as tf.Tensor) as [tf.Tensor, tf.Tensor];
    (save as tf.GradSaveFunc)([input as tf.Tensor, gate, value]);
    return { value, gradFunc: (dy: tf.Tensor, saved: tf.Tensor[]) => fuse(gateGradient, dy, ...saved)[0]! };
  })(x);
}

/** x -> x g and the gate g = sigmoid(2 u). */
const gateInput: Fusible = (x) => {
  const gate = tf.sigmoid(tf.mul(x!, tf.add(tf.mul(tf.square(x!), SLOPE * CUBIC), SLOPE)));
  return [tf.mul(x!, gate), gate];
};

/** (x g)' = g + x g', with g' = g (1 - g) times the slope of the sigmoid's argument; y is x g. */
const gateGradient: Fusible = (dy, x, gate, y) => {
  const argumentSlope = tf.add(tf.mul(tf.square(x!), 3 * SLOPE * CUBIC), SLOPE);
  return [tf.mul(dy!, tf.add(gate!, tf.mul(tf.mul(y!, tf.sub(1, gate!)), argumentSlope)))];
};
