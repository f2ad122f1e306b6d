import type * as tf from '@tensorflow/tfjs-core';

/** One call of a network on B examples. Every tensor's first axis is B. */
export interface NetworkInput {
  /** x_t, [B, ...]. */
  noisy: tf.Tensor;
  /** t in [0, 1], [B]; 1 is pure noise. */
  timestep: tf.Tensor;
  /** s <= t, [B]; s = t asks for the velocity at t. */
  targetTimestep: tf.Tensor;
  /** A class label [B], or whatever the network takes. */
  condition: tf.Tensor;
  /** The tokens that the middle blocks keep, [B, K] int32; absent: all. A draw, so that several passes can share it. */
  keptTokens?: tf.Tensor;
  /** Examples whose middle blocks are skipped, [B] bool; absent: none. */
  pathDropped?: tf.Tensor;
}

/**
 * A network with its parameters bound: predicts N(x_t, t, s, c), the mean velocity from t to s, shaped like `noisy`.
 * The caller owns the result. Nothing in this package knows what is inside.
 */
export type Network = (input: NetworkInput) => tf.Tensor;
