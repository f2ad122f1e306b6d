import { type RandomStream, randomNormal, randomUniform } from '@eflow/tensor';
import * as tf from '@tensorflow/tfjs-core';

/** How a weight starts. `xavierUniform` takes a [fanIn, fanOut] shape (Glorot and Bengio, 2010). */
export type Initialiser = (stream: RandomStream, shape: [fanIn: number, fanOut: number]) => tf.Tensor2D;

/** Uniform on +-sqrt(6 / (fanIn + fanOut)). */
export const xavierUniform: Initialiser = (stream, shape) =>
  tf.tidy(() => {
    const limit = Math.sqrt(6 / (shape[0] + shape[1]));
    return tf.sub(tf.mul(randomUniform(stream, shape), 2 * limit), limit);
  });

/** N(0, std^2). */
export const normal =
  (std: number): Initialiser =>
  (stream, shape) =>
    tf.tidy(() => tf.mul(randomNormal(stream, shape), std));

/** All zeros: the start of every layer that a residual branch ends in (adaLN-zero). */
export const zeros: Initialiser = (_stream, shape) => tf.zeros(shape);

/** How the weights of this package's layers start; biases start at 0. */
export const STARTS = {
  linear: xavierUniform,
  /**
   * Our choice: DiT (arXiv 2212.09748) takes N(0, 0.02^2) for both layers of a time's embedder, which at a hidden size of 96 makes
   * embeddings of 0.02; these are of 0.09. Xavier-uniform in the second, too, gave no better samples (docs/decisions/0003).
   */
  scalarEmbedder: { fc1: xavierUniform, fc2: normal(0.02) },
  /** As in DiT. */
  labelEmbedder: normal(0.02),
} as const;
