import * as tf from '@tensorflow/tfjs-core';

/**
 * How noise takes the place of data, x_t = a(t) x_0 + b(t) x_1: `linear`, a = 1 - t and b = t (flow matching, Lipman et al.,
 * arXiv 2210.02747), or `trigonometric`, a = cos(pi t / 2) and b = sin(pi t / 2) (SoFlow, arXiv 2512.15657).
 */
export type Path = 'linear' | 'trigonometric';

export const PATHS = ['linear', 'trigonometric'] as const satisfies readonly Path[];

/** A quarter of a turn: t = 1 is a right angle away from t = 0. */
export const QUARTER = Math.PI / 2;

/** A number per example, [B], with unit axes appended so that it multiplies a tensor of `rank`. */
export function perExample(values: tf.Tensor, rank: number): tf.Tensor {
  return tf.reshape(values, [values.size, ...Array<number>(rank - 1).fill(1)]);
}

/** a(t), b(t) and their derivatives a'(t), b'(t), each [B] like `timestep` in [0, 1]. The caller owns the four tensors. */
export function pathCoefficients(
  path: Path,
  timestep: tf.Tensor,
): { a: tf.Tensor; b: tf.Tensor; da: tf.Tensor; db: tf.Tensor } {
  return tf.tidy(() => {
    switch (path) {
      case 'linear': {
        const one = tf.onesLike(timestep);
        return { a: tf.sub(1, timestep), b: tf.clone(timestep), da: tf.neg(one), db: one };
      }
      case 'trigonometric': {
        const angle = tf.mul(timestep, QUARTER);
        const [a, b] = [tf.cos(angle), tf.sin(angle)];
        return { a, b, da: tf.mul(b, -QUARTER), db: tf.mul(a, QUARTER) };
      }
    }
  });
}

/** x_t = a(t) x_0 + b(t) x_1: data and noise [B, ...], timestep [B] in [0, 1]. The caller owns the result. */
export function interpolate(data: tf.Tensor, noise: tf.Tensor, timestep: tf.Tensor, path: Path = 'linear'): tf.Tensor {
  return tf.tidy(() => {
    // One product less than a x_0 + b x_1, and exact at t = 0.
    if (path === 'linear') return tf.add(data, tf.mul(perExample(timestep, data.rank), tf.sub(noise, data)));
    const { a, b } = pathCoefficients(path, timestep);
    return tf.add(tf.mul(perExample(a, data.rank), data), tf.mul(perExample(b, data.rank), noise));
  });
}

/**
 * v_t = a'(t) x_0 + b'(t) x_1, the velocity of `interpolate`: data and noise [B, ...], timestep [B] in [0, 1]. On the linear
 * path that is noise - data, whatever t. The caller owns the result.
 */
export function pathVelocity(data: tf.Tensor, noise: tf.Tensor, timestep: tf.Tensor, path: Path = 'linear'): tf.Tensor {
  return tf.tidy(() => {
    if (path === 'linear') return tf.sub(noise, data);
    const { da, db } = pathCoefficients(path, timestep);
    return tf.add(tf.mul(perExample(da, data.rank), data), tf.mul(perExample(db, data.rank), noise));
  });
}
