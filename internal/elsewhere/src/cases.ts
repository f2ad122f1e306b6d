import { type AttentionInputs, type AttentionSpec, attention, rotaryTable } from '@eflow/attention';
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
  { name: 'softmax', spec: { kind: 'softmax' } },
  { name: 'softmax, in blocks', spec: { kind: 'softmax' }, kernel: (inputs) => composedSoftmax(inputs, 20) },
  { name: 'linear, relu', spec: { kind: 'linear', featureMap: 'relu' } },
  { name: 'linear, elu1', spec: { kind: 'linear', featureMap: 'elu1' } },
  { name: 'linear, softmax', spec: { kind: 'linear', featureMap: 'softmax' } },
  { name: 'linear, block-causal', spec: { kind: 'linear', featureMap: 'relu', causalBlockSize: 7 } },
  { name: 'local', spec: { kind: 'local', windowSize: 4 } },
  { name: 'local, 3-D', spec: { kind: 'local', windowSize: [1, 0, 2] } },
  { name: 'sla, paper', spec: { kind: 'sla', blockSize: 8, topRatio: 0.3, skipRatio: 0.2, variant: 'paper' } },
  { name: 'sla, code', spec: { kind: 'sla', blockSize: 8, topRatio: 0.3, skipRatio: 0.2, variant: 'code' } },
  { name: 'glga', spec: { kind: 'glga', windowSize: 4, featureMap: 'relu' } },
];

/** [B, N, ...] of the inputs with their grid of tokens and D; the second is long enough to be cut into windows. */
export const sizes = [
  { heads: [2, 3], grid: [2, 3, 5], headDim: 10 },
  { heads: [1, 1], grid: [5, 3, 9], headDim: 6 },
] as const;

export type Size = (typeof sizes)[number];
export type Inputs = ReturnType<typeof drawInputs>;

/** [B, N, L, D] */
export const shapeOf = ({ heads, grid, headDim }: Size) =>
  [...heads, grid[0] * grid[1] * grid[2], headDim] as [number, number, number, number];

/** Standard normal values, the same on every backend, since @eflow/tensor draws them in JavaScript. */
export const draw = (name: string, shape: number[]) => randomNormal(splitStream(createStream(1), name), shape);

/** All that any kind takes; cos and sin are the rotary table. The caller owns the tensors. */
export function drawInputs(size: Size) {
  const shape = shapeOf(size);
  const [B, N, L, D] = shape;
  return {
    q: draw('q', shape),
    k: draw('k', shape),
    v: draw('v', shape),
    gate: tf.tidy(() => tf.sigmoid(draw('gate', [B, N, L, 1]))),
    proj: draw('proj', [D, D]),
    ...rotaryTable(size.grid, D),
  };
}

export function runCase({ spec, kernel }: Case, { grid }: Size, { cos, sin, ...inputs }: Inputs): tf.Tensor {
  const all = { ...inputs, rotary: { cos, sin }, grid };
  return kernel ? kernel(all) : attention(spec, all);
}

/** The inputs that have a gradient. */
export function trainedInputs({ kind }: AttentionSpec) {
  const shared = ['q', 'k', 'v'] as const;
  if (kind === 'glga') return [...shared, 'gate'] as const;
  return kind === 'sla' ? ([...shared, 'proj'] as const) : shared;
}
