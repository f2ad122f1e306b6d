import type { RandomStream } from '@eflow/tensor';
import * as tf from '@tensorflow/tfjs-core';
import { type Initialiser, STARTS } from './initialisers.ts';

/** Weight [in, out] and bias [out]. */
export type LinearParams = { weight: tf.Tensor2D; bias: tf.Tensor1D };

/** Parameters of a linear layer; the bias starts at 0. The caller owns them. */
export function initLinear(
  stream: RandomStream,
  inSize: number,
  outSize: number,
  initialiser: Initialiser = STARTS.linear,
): LinearParams {
  return { weight: initialiser(stream, [inSize, outSize]), bias: tf.zeros([outSize]) };
}

/** x W + b for x [..., in]; returns [..., out], owned by the caller. Throws if the last axis is not `in`. */
export const linear = ({ weight, bias }: LinearParams, x: tf.Tensor): tf.Tensor =>
  tf.tidy(() => ofRows(weight, x, (rows) => tf.add(tf.matMul(rows, weight), bias)));

/** x W for x [..., in]: a linear layer whose bias is added elsewhere. */
export const product = (weight: tf.Tensor2D, x: tf.Tensor): tf.Tensor =>
  tf.tidy(() => ofRows(weight, x, (rows) => tf.matMul(rows, weight)));

/** What `fn` makes of x as rows [..., in], with the axes of x before its last. */
function ofRows(weight: tf.Tensor2D, x: tf.Tensor, fn: (rows: tf.Tensor2D) => tf.Tensor): tf.Tensor {
  const [inSize, outSize] = weight.shape;
  if (x.shape.at(-1) !== inSize) {
    throw new Error(`linear: expected x [..., ${inSize}], got [${x.shape.join(', ')}]`);
  }
  return tf.reshape(fn(tf.reshape(x, [-1, inSize])), [...x.shape.slice(0, -1), outSize]);
}
