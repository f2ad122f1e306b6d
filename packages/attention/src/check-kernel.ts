import { createStream, randomNormal, splitStream } from '@eflow/tensor';
import * as tf from '@tensorflow/tfjs-core';
import { type AttentionSpec, attention } from './attention.ts';
import { attentionOracle, type OracleInputs } from './oracle.ts';
import { type Rotary, rotaryTable } from './rotary.ts';
import type { Grid } from './tiles.ts';

/** [B, N, L, D] */
export type Shape = [number, number, number, number];

/** All that any kind takes. */
export interface AllInputs {
  q: tf.Tensor;
  k: tf.Tensor;
  v: tf.Tensor;
  gate: tf.Tensor;
  proj: tf.Tensor;
  rotary: Rotary;
  grid: Grid;
}

/** Runs a kernel, or one form of it. */
export type Kernel = (inputs: AllInputs) => tf.Tensor;

/** Fails if numbers are further apart than the tolerance: expectClose of @eflow/testing. */
type Check = (actual: number[], expected: number[], tolerance: { rtol: number; atol: number }) => void;

/** Random inputs of a shape; `grid` is [1, 1, L] unless given. The caller owns them. */
export function drawInputs(shape: Shape, seed: number, grid: Grid = [1, 1, shape[2]]): AllInputs {
  const draw = (label: string, s: number[]) => randomNormal(splitStream(createStream(seed), label), s);
  const [B, N, L, D] = shape;
  return {
    q: draw('q', shape),
    k: draw('k', shape),
    v: draw('v', shape),
    gate: tf.tidy(() => tf.sigmoid(draw('gate', [B, N, L, 1]))),
    proj: draw('proj', [D, D]),
    rotary: rotaryTable(grid, D),
    grid,
  };
}

const numbers = (x: tf.Tensor) => Array.from(x.dataSync());

const oracleInputs = ({ q, k, v, gate, proj, rotary, grid }: AllInputs): OracleInputs => ({
  q: numbers(q),
  k: numbers(k),
  v: numbers(v),
  gate: numbers(gate),
  proj: numbers(proj),
  cos: numbers(rotary.cos),
  sin: numbers(rotary.sin),
  grid,
});

const run =
  (spec: AttentionSpec): Kernel =>
  (inputs) =>
    attention(spec, inputs);

/** Compares a kernel's values, `attention`'s unless another form is given, with those of the float64 oracle. */
export function checkValues(check: Check, spec: AttentionSpec, inputs: AllInputs, kernel: Kernel = run(spec)): void {
  const expected = attentionOracle(spec, inputs.q.shape as Shape, oracleInputs(inputs));
  check(numbers(tf.tidy(() => kernel(inputs))), expected, { rtol: 1e-4, atol: 1e-5 });
}

/**
 * Compares the gradients of q, k, v, and of what else the kind learns through, with central differences of the float64
 * oracle, for a random weighted sum of the output. Of each input so many places are tried, evenly spread, both ends
 * among them.
 */
export function checkGradients(
  check: Check,
  spec: AttentionSpec,
  inputs: AllInputs,
  { kernel = run(spec), places = 20 }: { kernel?: Kernel; places?: number } = {},
): void {
  const shape = inputs.q.shape as Shape;
  const weights = randomNormal(createStream(3), shape);
  const names = (['q', 'k', 'v', 'gate', 'proj'] as const).filter(
    (name) =>
      name.length === 1 || (name === 'gate' && spec.kind === 'glga') || (name === 'proj' && spec.kind === 'sla'),
  );
  const objective = (...at: tf.Tensor[]) => {
    const moved = Object.fromEntries(names.map((name, i) => [name, at[i]!]));
    return tf.sum(tf.mul(kernel({ ...inputs, ...moved }), weights));
  };
  const gradients = tf.grads(objective)(names.map((name) => inputs[name]));
  const plain = oracleInputs(inputs);
  const w = numbers(weights);
  const value = (at: OracleInputs) => attentionOracle(spec, shape, at).reduce((total, y, i) => total + y * w[i]!, 0);
  const comparisons = names.map((name, index) => {
    const values = plain[name]!;
    const last = values.length - 1;
    const count = Math.min(places, values.length);
    const tried = Array.from({ length: count }, (_, i) => Math.round((i * last) / Math.max(count - 1, 1)));
    const expected = tried.map((i) => {
      const moved = (step: number) => value({ ...plain, [name]: values.with(i, values[i]! + step) });
      return (moved(1e-5) - moved(-1e-5)) / 2e-5;
    });
    const tape = numbers(gradients[index]!);
    return { name, actual: tried.map((i) => tape[i]!), expected, largest: Math.max(...expected.map(Math.abs)) };
  });
  const greatest = Math.max(...comparisons.map(({ largest }) => largest));
  for (const { name, actual, expected, largest } of comparisons) {
    try {
      // A gradient that is zero, such as that of q where it sees one token, is the rounding of terms that cancel.
      check(actual, expected, { rtol: 1e-4, atol: 1e-4 * Math.max(largest, 1e-2 * greatest) });
    } catch (error) {
      throw new Error(`gradient of ${name}: ${(error as Error).message}`);
    }
  }
}

/** The gradients of q, k and v of the sum of a kernel's squared output; the caller owns them. */
export const gradientsOf = (kernel: Kernel, inputs: AllInputs): tf.Tensor[] =>
  tf.grads((q, k, v) => tf.sum(tf.square(kernel({ ...inputs, q, k, v }))))([inputs.q, inputs.k, inputs.v]);

/** Elements of the largest tensor that any op makes while `fn` runs. */
export async function largestTensor(fn: () => tf.Tensor | tf.Tensor[]): Promise<number> {
  const { kernels } = await tf.profile(() => tf.tidy(() => void fn()));
  return Math.max(...kernels.flatMap(({ outputShapes }) => outputShapes.map(tf.util.sizeFromShape)));
}
