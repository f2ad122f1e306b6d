import { attentionOracle } from '@eflow/attention';
import { compareSlopes, findSlopes, type Slope } from '@eflow/testing/slopes';
import * as tf from '@tensorflow/tfjs-core';
import {
  type Case,
  differentiated,
  draw,
  drawInputs,
  type Inputs,
  runCase,
  type Size,
  shapeOf,
  sizes,
} from './cases.ts';

/** The largest relative error that counts as agreement in float32. */
export const TOLERANCE = 1e-4;

/** What the oracle gives at one size: the output, and the slopes of its weighted sum in each input. */
export interface Reference {
  size: Size;
  output: number[];
  slopes: Slope[];
}

/** The oracle's values at every size, from inputs that whatever backend is set has made. */
export function makeReferences({ spec }: Case): Promise<Reference[]> {
  return Promise.all(
    sizes.map(async (size) => {
      const inputs = await oracleInputs(size);
      const [weights] = await read(() => [draw('weights', shapeOf(size))]);
      const names = differentiated(spec);
      const oracle = (at: number[][]) => {
        const moved = Object.fromEntries(names.map((name, i) => [name, at[i]!]));
        return attentionOracle(spec, shapeOf(size), { ...inputs, ...moved, grid: size.grid });
      };
      const given = names.map((name) => inputs[name]);
      const slopes = findSlopes((at) => oracle(at).reduce((sum, value, i) => sum + value * weights![i]!, 0), given, {
        epsilon: 1e-6,
        directions: 2,
        seed: 1,
      });
      return { size, output: oracle(given), slopes };
    }),
  );
}

/** How far the current backend's output is from the oracle's, the worst of all sizes. Throws what the backend throws. */
export async function forwardError(tried: Case, references: Reference[]): Promise<number> {
  const errors = references.map(async ({ size, output }) => {
    const [values] = await read(() => [runCase(tried, size, drawInputs(size))]);
    return relativeError(values!, output);
  });
  return Math.max(...(await Promise.all(errors)));
}

/** The same for the slopes that its gradient of every input gives. */
export async function backwardError(tried: Case, references: Reference[]): Promise<number> {
  const names = differentiated(tried.spec);
  const errors = references.map(async ({ size, slopes }) => {
    const gradients = await read(() => {
      const inputs = drawInputs(size);
      const objective = (...at: tf.Tensor[]) => {
        const moved = Object.fromEntries(names.map((name, i) => [name, at[i]]));
        const output = runCase(tried, size, { ...inputs, ...moved });
        return tf.sum(tf.mul(output, draw('weights', shapeOf(size)))) as tf.Scalar;
      };
      return tf.grads(objective)(names.map((name) => inputs[name]));
    });
    const comparisons = compareSlopes(gradients, slopes);
    return Math.max(...comparisons.map(({ slope, fromGradient, scale }) => Math.abs(slope - fromGradient) / scale));
  });
  return Math.max(...(await Promise.all(errors)));
}

async function oracleInputs(size: Size): Promise<Record<keyof Inputs, number[]>> {
  const inputs = drawInputs(size);
  const names = Object.keys(inputs) as (keyof Inputs)[];
  const values = await read(() => names.map((name) => inputs[name]));
  return Object.fromEntries(names.map((name, i) => [name, values[i]!])) as Record<keyof Inputs, number[]>;
}

/** The largest difference, over the largest expected value unless all are 0; NaN if any value is. */
export function relativeError(actual: number[], expected: number[]): number {
  const largest = Math.max(...expected.map(Math.abs)) || 1;
  return Math.max(...expected.map((value, i) => Math.abs(actual[i]! - value))) / largest;
}

/** The values of the tensors that `fn` returns; leaves no tensor behind. A browser's GPU is read asynchronously only. */
export async function read(fn: () => tf.Tensor[]): Promise<number[][]> {
  const tensors = tf.tidy(fn);
  try {
    return (await Promise.all(tensors.map((tensor) => tensor.data()))).map((values) => Array.from(values));
  } finally {
    tf.dispose(tensors);
  }
}
