import * as tf from '@tensorflow/tfjs-core';
import { compareSlopes, findSlopes } from './slopes.ts';

interface GradientCheck {
  /** `fn` in float64, of each input's numbers, row-major: what is differenced in place of `fn` itself. */
  oracle?: (inputs: number[][]) => number[];
  /** Step of the differences, per unit of a direction whose entries are about 1; 1e-2, or 1e-6 with an oracle, unless given. */
  epsilon?: number;
}

/** Random directions tried for each input. */
const DIRECTIONS = 3;
const SEED = 1;

/**
 * Compares the gradient of `sum(weights * fn(...inputs))` for every input, by tfjs' tape, with central differences along
 * random directions (Richardson-extrapolated, so that float32 suffices), of `fn` or of its oracle. `weights` are random, the same
 * at every call. Allows 1e-2 of the gradient's norm, the size of a typical slope, or 1e-4 with an oracle, and rounding on top.
 */
export function expectGradients(
  fn: (...inputs: tf.Tensor[]) => tf.Tensor,
  inputs: tf.Tensor[],
  { oracle, epsilon = oracle ? 1e-6 : 1e-2 }: GradientCheck = {},
): void {
  const tolerance = oracle ? 1e-4 : 1e-2;
  tf.tidy(() => {
    const output = fn(...inputs);
    const weights = tf.randomNormal(output.shape, 0, 1, 'float32', SEED);
    const objective = (...at: tf.Tensor[]) => tf.sum(tf.mul(fn(...at), weights)) as tf.Scalar;
    const w = Array.from(weights.dataSync());
    const weigh = (values: number[]) => values.reduce((sum, x, i) => sum + x * w[i]!, 0);
    const asTensors = (at: number[][]) => at.map((values, i) => tf.tensor(values, inputs[i]!.shape));
    const value = oracle
      ? (at: number[][]) => weigh(oracle(at))
      : (at: number[][]) => tf.tidy(() => objective(...asTensors(at)).dataSync()[0]!);
    const given = inputs.map((input) => Array.from(input.dataSync()));
    const slopes = findSlopes(value, given, { epsilon, directions: DIRECTIONS, seed: SEED });
    const gradients = tf
      .grads(objective)(inputs)
      .map((gradient) => gradient.dataSync());
    const terms = Array.from(output.dataSync(), (x, i) => Math.abs(x * w[i]!)).reduce((sum, term) => sum + term, 0);
    const rounding = ((oracle ? 2 ** -50 : 2 ** -20) * terms) / epsilon;
    for (const { input, slope, fromGradient, scale } of compareSlopes(gradients, slopes)) {
      if (Math.abs(slope - fromGradient) <= tolerance * scale + rounding) continue;
      throw new Error(
        `expectGradients: input ${input}: along one direction the tape gives ${fromGradient}, differences give ${slope} (gradient norm ${scale})`,
      );
    }
  });
}
