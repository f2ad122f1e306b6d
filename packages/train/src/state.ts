import { adamW, type Optimizer } from '@eflow/optim';
import { disposeTree, ravel, type Tree } from '@eflow/tensor';
import * as tf from '@tensorflow/tfjs-core';
import { type GuardState, NEW_GUARD } from './guard.ts';
import { onVector } from './on-vector.ts';

/**
 * What an update replaces: the parameters and their moving average, each one vector of all parameters, [P], so that an update is a
 * few ops, and the optimizer's state: AdamW's two moments are such vectors as well.
 */
export type Weights = { params: tf.Tensor1D; ema: tf.Tensor1D; optimizer: Tree };

/**
 * What training changes. A step disposes of the weights that it replaces; `disposeState` frees the last ones. `emaParams` and
 * `currentParams` make trees of its vectors.
 */
export interface TrainState<Params extends Tree> {
  /** Steps made so far, those that the guard left out included. */
  step: number;
  weights: Weights;
  guard: GuardState;
  /** From a vector of all parameters to their tree, which the caller owns. */
  readonly unravel: (vector: tf.Tensor1D) => Params;
}

/**
 * The state before the first step of that optimizer, AdamW unless given. The parameters stay the caller's, who may dispose of
 * them. Throws as the optimizer's `init` does.
 */
export function initState<Params extends Tree>(params: Params, optimizer: Optimizer = adamW()): TrainState<Params> {
  const { vector, unravel } = ravel(params);
  const weights = { params: vector, ema: tf.clone(vector), optimizer: onVector(optimizer, unravel).init(vector) };
  return { step: 0, weights, guard: NEW_GUARD, unravel };
}

/** The moving average of the parameters, to sample and measure with: a tree of its own that the caller owns. */
export const emaParams = <Params extends Tree>({ weights, unravel }: TrainState<Params>): Params =>
  unravel(weights.ema);

/** The parameters as the last update left them: a tree of its own that the caller owns. */
export const currentParams = <Params extends Tree>({ weights, unravel }: TrainState<Params>): Params =>
  unravel(weights.params);

/** Disposes of all tensors of a state. Trees made by `emaParams` and `currentParams` stay. */
export const disposeState = ({ weights }: TrainState<Tree>): void => disposeTree(weights);
