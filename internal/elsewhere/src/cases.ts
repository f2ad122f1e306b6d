import {
  ATTENTION_KINDS,
  type AttentionInputs,
  type AttentionSpec,
  attention,
  attentionKind,
  type KindInputs,
  learnedShape,
  rotaryTable,
} from '@eflow/attention';
import { createStream, randomNormal, splitStream } from '@eflow/tensor';
import * as tf from '@tensorflow/tfjs-core';
import { composedSoftmax } from '../../../packages/attention/src/softmax.ts';

/** A kind of attention that has to agree with its oracle wherever tfjs runs. */
export interface Case {
  name: string;
  spec: AttentionSpec;
  /** What is run in place of `attention(spec, ...)`. */
  kernel?: (inputs: AttentionInputs) => tf.Tensor;
}

export const cases: Case[] = [
  ...ATTENTION_KINDS.flatMap(({ examples }): AttentionSpec[] => examples).map((spec) => ({
    name: Object.values(spec).join(', '),
    spec,
  })),
  { name: 'softmax, in blocks', spec: { kind: 'softmax' }, kernel: (inputs) => composedSoftmax(inputs, 20) },
];

/** [B, N, ...] of the inputs with their grid of tokens and D; the second is long enough to be cut into windows. */
export const sizes = [
  { heads: [2, 3], grid: [2, 3, 5], headDim: 10 },
  { heads: [1, 1], grid: [5, 3, 9], headDim: 6 },
] as const;

export type Size = (typeof sizes)[number];
/** q, k, v and what any kind learns; cos and sin are the rotary table. */
export type Inputs = Record<'q' | 'k' | 'v' | 'cos' | 'sin' | Exclude<keyof KindInputs, 'grid'>, tf.Tensor>;

/** [B, N, L, D] */
export const shapeOf = ({ heads, grid, headDim }: Size) =>
  [...heads, grid[0] * grid[1] * grid[2], headDim] as [number, number, number, number];

/** Standard normal values, the same on every backend, since @eflow/tensor draws them in JavaScript. */
export const draw = (name: string, shape: number[]) => randomNormal(splitStream(createStream(1), name), shape);

/** All that any kind takes; gates are in (0, 1). The caller owns the tensors. */
export function drawInputs(size: Size): Inputs {
  const shape = shapeOf(size);
  const learned = ATTENTION_KINDS.flatMap(({ learns }) => Object.entries(learns)).map(([name, { form }]) => {
    const x = () => draw(name, learnedShape(form, shape));
    return [name, form === 'gate' ? tf.tidy(() => tf.sigmoid(x())) : x()];
  });
  const heads = { q: draw('q', shape), k: draw('k', shape), v: draw('v', shape) };
  return { ...heads, ...Object.fromEntries(learned), ...rotaryTable(size.grid, size.headDim) };
}

export function runCase({ spec, kernel }: Case, { grid }: Size, { cos, sin, ...inputs }: Inputs): tf.Tensor {
  const all = { ...inputs, rotary: { cos, sin }, grid };
  return kernel ? kernel(all) : attention(spec, all);
}

/** The names of the inputs that have a gradient. */
export const differentiated = (spec: AttentionSpec) =>
  ['q', 'k', 'v', ...Object.keys(attentionKind(spec).learns)] as (keyof Inputs)[];
