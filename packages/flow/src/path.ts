import * as tf from '@tensorflow/tfjs-core';

/** A number per example, [B], with unit axes appended so that it multiplies a tensor of `rank`. */
export function perExample(values: tf.Tensor, rank: number): tf.Tensor {
  return tf.reshape(values, [values.size, ...Array<number>(rank - 1).fill(1)]);
}

/** x_t = (1 - t) x_0 + t x_1, the linear path: data and noise [B, ...], timestep [B]. The caller owns the result. */
export function interpolate(data: tf.Tensor, noise: tf.Tensor, timestep: tf.Tensor): tf.Tensor {
  return tf.tidy(() => tf.add(data, tf.mul(perExample(timestep, data.rank), tf.sub(noise, data))));
}

/**
 * The solution map in Euler form, g(x_t, t, s) = x_t + (s - t) u, which carries x_t from t to s along the mean velocity
 * u = N(x_t, t, s) (SoFlow, arXiv 2512.15657). g(x, t, t) = x by construction. x, u [B, ...], t, s [B].
 */
export function solutionMap(
  noisy: tf.Tensor,
  meanVelocity: tf.Tensor,
  timestep: tf.Tensor,
  targetTimestep: tf.Tensor,
): tf.Tensor {
  return tf.tidy(() => tf.add(noisy, tf.mul(perExample(tf.sub(targetTimestep, timestep), noisy.rank), meanVelocity)));
}
