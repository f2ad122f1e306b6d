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

/**
 * The gated linear unit with SiLU as its gate, silu(a) b for x = [a, b] (Shazeer, arXiv 2002.05202): [..., 2 M] -> [..., M],
 * owned by the caller. The gradient keeps x alone. Throws unless the last axis is even.
 */
export function swiglu(x: tf.Tensor): tf.Tensor {
  if (x.shape.at(-1)! % 2 !== 0) {
    throw new Error(`swiglu: x is [${x.shape.join(', ')}]; expected an even last axis, a gate and as much to be gated`);
  }
  return tf.customGrad((input, save) => {
    (save as tf.GradSaveFunc)([input as tf.Tensor]);
    return {
      value: fuse(gateHalf, input as tf.Tensor)[0]!,
      gradFunc: (dy: tf.Tensor, saved: tf.Tensor[]) => fuse(halvesGradient, dy, ...saved)[0]!,
    };
  })(x);
}

const gateHalf: Fusible = (x) => {
  const [a, b] = tf.split(x!, 2, -1) as [tf.Tensor, tf.Tensor];
  return [tf.mul(tf.mul(a, tf.sigmoid(a)), b)];
};

/** dy b silu'(a) and dy silu(a), with silu' = s + silu (1 - s) for the sigmoid s. */
const halvesGradient: Fusible = (dy, x) => {
  const [a, b] = tf.split(x!, 2, -1) as [tf.Tensor, tf.Tensor];
  const s = tf.sigmoid(a);
  const gate = tf.mul(a, s);
  const slope = tf.add(s, tf.mul(gate, tf.sub(1, s)));
  return [tf.concat([tf.mul(tf.mul(dy!, b), slope), tf.mul(dy!, gate)], -1)];
};
