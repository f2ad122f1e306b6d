import { attentionOracle } from '@eflow/attention';
import * as tf from '@tensorflow/tfjs-core';
import {
  type Case,
  draw,
  drawInputs,
  type Inputs,
  runCase,
  type Size,
  shapeOf,
  sizes,
  trainedInputs,
} from './cases.ts';
import { read } from './read.ts';

/** The largest relative error that counts as agreement in float32. */
export const TOLERANCE = 1e-4;

/** What the oracle gives at one size: the output, and the gradient of its weighted sum at a few places of each input. */
export interface Reference {
  size: Size;
  output: number[];
  gradients: { places: number[]; values: number[] }[];
}

const PLACES = 8;
const STEP = 1e-5;

/** The oracle's values at every size, from inputs that whatever backend is set has made. */
export function makeReferences({ spec }: Case): Promise<Reference[]> {
  return Promise.all(
    sizes.map(async (size) => {
      const inputs = await oracleInputs(size);
      const [weights] = await read(() => [draw('weights', shapeOf(size))]);
      const oracle = (at: Record<keyof Inputs, number[]>) =>
        attentionOracle(spec, shapeOf(size), { ...at, grid: size.grid });
      const gradients = trainedInputs(spec).map((name) => {
        const at = inputs[name];
        const places = Array.from({ length: PLACES }, (_, i) => Math.floor((i * (at.length - 1)) / (PLACES - 1)));
        const objective = (place: number, step: number) =>
          oracle({ ...inputs, [name]: at.with(place, at[place]! + step) }).reduce(
            (sum, value, i) => sum + value * weights![i]!,
            0,
          );
        const slope = (place: number) => (objective(place, STEP) - objective(place, -STEP)) / (2 * STEP);
        return { places, values: places.map(slope) };
      });
      return { size, output: oracle(inputs), gradients };
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

/** The same for the gradient of every input. */
export async function backwardError(tried: Case, references: Reference[]): Promise<number> {
  const names = trainedInputs(tried.spec);
  const errors = references.map(async ({ size, gradients }) => {
    const computed = await read(() => {
      const inputs = drawInputs(size);
      const objective = (...at: tf.Tensor[]) => {
        const moved = Object.fromEntries(names.map((name, i) => [name, at[i]]));
        const output = runCase(tried, size, { ...inputs, ...moved });
        return tf.sum(tf.mul(output, draw('weights', shapeOf(size)))) as tf.Scalar;
      };
      return tf.grads(objective)(names.map((name) => inputs[name]));
    });
    const perInput = gradients.map(({ places, values }, i) =>
      relativeError(
        places.map((place) => computed[i]![place]!),
        values,
      ),
    );
    return Math.max(...perInput);
  });
  return Math.max(...(await Promise.all(errors)));
}

async function oracleInputs(size: Size): Promise<Record<keyof Inputs, number[]>> {
  const names = ['q', 'k', 'v', 'gate', 'proj', 'cos', 'sin'] as const;
  const values = await read(() => {
    const inputs = drawInputs(size);
    return names.map((name) => inputs[name]);
  });
  return Object.fromEntries(names.map((name, i) => [name, values[i]!])) as Record<keyof Inputs, number[]>;
}

/** The largest difference, over the largest expected value unless all are 0; NaN if any value is. */
export function relativeError(actual: number[], expected: number[]): number {
  const largest = Math.max(...expected.map(Math.abs)) || 1;
  return Math.max(...expected.map((value, i) => Math.abs(actual[i]! - value))) / largest;
}
