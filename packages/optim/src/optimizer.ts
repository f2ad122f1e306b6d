import type { NumberTree, Tree } from '@eflow/tensor';
import type * as tf from '@tensorflow/tfjs-core';

/** What an update multiplies with and adds that differs from step to step; tensors in compiled functions. */
export type Coefficients = number | tf.Scalar | { readonly [name: string]: Coefficients };

/** What makes new parameters of gradients; `adamW` and `muon` are such. Its state is a tree of tensors, so checkpoints hold it as it is. */
export interface Optimizer {
  /** Whether every number is updated by itself, so that one vector may stand for a tree. */
  readonly elementwise: boolean;
  /** The state before the first update; the caller owns it. */
  init(params: Tree): Tree;
  /** The coefficients of an update; `step` counts the updates made before it, from 0, so the state needs no counter. */
  coefficients(step: number): NumberTree;
  /** One update. Returns new trees that the caller owns; the arguments are untouched. */
  update<T extends Tree>(grads: Tree, state: Tree, params: T, coefficients: Coefficients): { params: T; state: Tree };
}
