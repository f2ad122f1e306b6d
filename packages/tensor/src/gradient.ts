import * as tf from '@tensorflow/tfjs-core';
import { explain } from './explain.ts';
import { gradients } from './gradients.ts';
import { fillTree, type Tree, treeLeaves } from './tree.ts';

/**
 * Runs `fn`, which uses `params` through closure, and differentiates its `loss` with respect to every leaf of `params`.
 * Returns all that `fn` returned (losses to log beside `loss`, say) and the gradients, zeros for a leaf that takes no
 * part. The caller owns both and must dispose them; they outlive a surrounding tidy. Throws where TensorFlow.js has no gradient of an op.
 */
export function valueAndGrad<Values extends { loss: tf.Scalar; [name: string]: tf.Tensor }, Params extends Tree>(
  fn: () => Values,
  params: Params,
): { values: Values; grads: Params } {
  const leaves = treeLeaves(params);
  let values: Values | undefined;
  const forward = () => {
    values = fn();
    for (const value of Object.values(values)) tf.keep(value);
    return values.loss;
  };
  const kept = explain(() => gradients(forward, leaves)).map((grad, i) => tf.keep(grad ?? tf.zerosLike(leaves[i]!)));
  return { values: values!, grads: fillTree(params, kept) };
}

/**
 * Runs `fn` off the gradient tape and returns its tensor as a constant: the `sg` of the equations. Intermediates are
 * freed at once. The caller owns the result.
 */
export function stopGradient<T extends tf.Tensor>(fn: () => T): T {
  return tf.customGrad(() => ({ value: fn(), gradFunc: () => [] }))() as T;
}
