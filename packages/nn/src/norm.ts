import * as tf from '@tensorflow/tfjs-core';

const lastAxisMean = (x: tf.Tensor) => tf.mean(x, -1, true);

/**
 * (x - mean) / sqrt(var + eps) over the last axis, without scale and shift: adaLN brings those (Ba et al.,
 * arXiv 1607.06450). x [..., E] -> [..., E], owned by the caller.
 */
export function layerNorm(x: tf.Tensor, eps = 1e-6): tf.Tensor {
  return tf.customGrad((input, save) => {
    const centred = tf.sub(input as tf.Tensor, lastAxisMean(input as tf.Tensor));
    const inverse = tf.rsqrt(tf.add(lastAxisMean(tf.square(centred)), eps));
    const value = tf.mul(centred, inverse);
    (save as tf.GradSaveFunc)([value, inverse]);
    return {
      value,
      // d/dx of a normalised vector: what is left of dy after its mean and its part along y are removed, rescaled.
      gradFunc: (dy: tf.Tensor, saved: tf.Tensor[]) => {
        const [y, r] = saved as [tf.Tensor, tf.Tensor];
        const alongY = tf.mul(y, lastAxisMean(tf.mul(dy, y)));
        return tf.mul(tf.sub(tf.sub(dy, lastAxisMean(dy)), alongY), r);
      },
    };
  })(x);
}

/**
 * weight * x / sqrt(mean(x^2) + eps) over the last axis (Zhang and Sennrich, arXiv 1910.07467). x [..., D],
 * weight [D] -> [..., D], owned by the caller.
 */
export function rmsNorm(weight: tf.Tensor1D, x: tf.Tensor, eps = 1e-6): tf.Tensor {
  return tf.tidy(() => tf.mul(rmsNormalise(x, eps), weight));
}

function rmsNormalise(x: tf.Tensor, eps: number): tf.Tensor {
  return tf.customGrad((input, save) => {
    const inverse = tf.rsqrt(tf.add(lastAxisMean(tf.square(input as tf.Tensor)), eps));
    const value = tf.mul(input as tf.Tensor, inverse);
    (save as tf.GradSaveFunc)([value, inverse]);
    return {
      value,
      gradFunc: (dy: tf.Tensor, saved: tf.Tensor[]) => {
        const [y, r] = saved as [tf.Tensor, tf.Tensor];
        return tf.mul(tf.sub(dy, tf.mul(y, lastAxisMean(tf.mul(dy, y)))), r);
      },
    };
  })(x);
}
