import * as tf from '@tensorflow/tfjs-core';

const lastAxisMean = (x: tf.Tensor) => tf.mean(x, -1, true);

/**
 * (x - mean) / sqrt(var + eps) over the last axis, without scale and shift: adaLN brings those (Ba et al.,
 * arXiv 1607.06450). x [..., E] -> [..., E], owned by the caller.
 */
export const layerNorm = (x: tf.Tensor, eps = 1e-6): tf.Tensor =>
  normalise(x, eps, (vector) => tf.sub(vector, lastAxisMean(vector)));

/**
 * weight * x / sqrt(mean(x^2) + eps) over the last axis (Zhang and Sennrich, arXiv 1910.07467). x [..., D],
 * weight [D] -> [..., D], owned by the caller.
 */
export const rmsNorm = (weight: tf.Tensor1D, x: tf.Tensor, eps = 1e-6): tf.Tensor =>
  tf.tidy(() =>
    tf.mul(
      normalise(x, eps, (vector) => vector),
      weight,
    ),
  );

/** c / sqrt(mean(c^2) + eps) over the last axis, for c what `centre`, a projection, makes of x. */
function normalise(x: tf.Tensor, eps: number, centre: (vector: tf.Tensor) => tf.Tensor): tf.Tensor {
  return tf.customGrad((input, save) => {
    const centred = centre(input as tf.Tensor);
    const inverse = tf.rsqrt(tf.add(lastAxisMean(tf.square(centred)), eps));
    const value = tf.mul(centred, inverse);
    (save as tf.GradSaveFunc)([value, inverse]);
    return {
      value,
      // d/dx of a normalised vector: what is left of dy after its centring and its part along y are removed, rescaled.
      gradFunc: (dy: tf.Tensor, saved: tf.Tensor[]) => {
        const [y, r] = saved as [tf.Tensor, tf.Tensor];
        const alongY = tf.mul(y, lastAxisMean(tf.mul(dy, y)));
        return tf.mul(tf.sub(centre(dy), alongY), r);
      },
    };
  })(x);
}
