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
export function linear(params: LinearParams, x: tf.Tensor): tf.Tensor {
  const [inSize, outSize] = params.weight.shape;
  if (x.shape.at(-1) !== inSize) {
    throw new Error(`linear: expected x [..., ${inSize}], got [${x.shape.join(', ')}]`);
  }
  return tf.tidy(() => {
    const rows = tf.reshape(x, [-1, inSize]);
    return tf.reshape(tf.add(tf.matMul(rows, params.weight), params.bias), [...x.shape.slice(0, -1), outSize]);
  });
}
