import type { Tree } from '@eflow/tensor';
import type * as tf from '@tensorflow/tfjs-core';

/**
 * What a network is told besides noise and times: a tensor or a tree of them, every leaf [B, ...]. A class, [B]; a text's
 * states with their mask; first frames; or all of these together.
 */
export type Condition = Tree;

/** One call of a network on B examples. Every tensor's first axis is B. */
export type NetworkInput = {
  /** x_t, [B, ...]. */
  noisy: tf.Tensor;
  /** t in [0, 1], [B]; 1 is pure noise. */
  timestep: tf.Tensor;
  /** s <= t, [B]; s = t asks for the velocity at t. */
  targetTimestep: tf.Tensor;
  /** c, of the form that the network takes. */
  condition: Condition;
  /** The tokens that the middle blocks keep, [B, K] int32; absent: all. A draw, so that several passes can share it. */
  keptTokens?: tf.Tensor;
  /** Examples whose middle blocks are skipped, [B] bool; absent: none. */
  pathDropped?: tf.Tensor;
  /** omega >= 1, [B], for a network that was trained with it as an input. A network that was not must refuse it. */
  guidanceScale?: tf.Tensor;
};

/**
 * A network with its parameters bound: predicts N(x_t, t, s, c), the mean velocity from t to s, shaped like `noisy`.
 * The caller owns the result. Nothing in this package knows what is inside.
 */
export type Network = (input: NetworkInput) => tf.Tensor;
