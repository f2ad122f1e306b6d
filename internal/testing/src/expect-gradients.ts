import * as tf from '@tensorflow/tfjs-core';

export interface GradientCheck {
  /** Step of the differences, per unit of a direction whose entries are about 1. */
  epsilon?: number;
  /** Allowed error relative to the gradient's norm, the size of a typical directional derivative; rounding comes on top. */
  tolerance?: number;
  /** Random directions tried for each input. */
  directions?: number;
  /** Changes the random directions. */
  seed?: number;
}

/**
 * Compares the gradient of `sum(weights * fn(...inputs))` for every input, by tfjs' tape, with central differences
 * along random directions (Richardson-extrapolated, so that float32 suffices). `weights` are random, fixed by the seed.
 */
export function expectGradients(
  fn: (...inputs: tf.Tensor[]) => tf.Tensor,
  inputs: tf.Tensor[],
  { epsilon = 1e-2, tolerance = 1e-2, directions = 3, seed = 1 }: GradientCheck = {},
): void {
  tf.tidy(() => {
    const weights = tf.randomNormal(fn(...inputs).shape, 0, 1, 'float32', seed);
    const objective = (...at: tf.Tensor[]) => tf.sum(tf.mul(fn(...at), weights));
    const value = (at: tf.Tensor[]) => tf.tidy(() => objective(...at).dataSync()[0]!);
    const rounding = (2 ** -22 * tf.sum(tf.abs(tf.mul(fn(...inputs), weights))).dataSync()[0]!) / epsilon;
    const gradients = tf.grads(objective as (...at: tf.Tensor[]) => tf.Scalar)(inputs);
    inputs.forEach((input, index) => {
      const gradient = gradients[index]!;
      for (let trial = 0; trial < directions; trial++) {
        const direction = tf.randomNormal(input.shape, 0, 1, 'float32', seed + 101 * trial + index + 1);
        const moved = (step: number) =>
          value(inputs.map((at, i) => (i === index ? tf.add(at, tf.mul(direction, step)) : at)));
        const slope = (step: number) => (moved(step) - moved(-step)) / (2 * step);
        const numeric = (4 * slope(epsilon / 2) - slope(epsilon)) / 3;
        const analytic = tf.sum(tf.mul(gradient, direction)).dataSync()[0]!;
        const scale = tf.norm(gradient).dataSync()[0]!;
        if (!(Math.abs(numeric - analytic) <= tolerance * scale + 4 * rounding)) {
          throw new Error(
            `expectGradients: input ${index}, direction ${trial}: the tape gives ${analytic}, differences give ${numeric} (gradient norm ${scale})`,
          );
        }
      }
    });
  });
}
