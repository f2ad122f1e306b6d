import type { Coefficients, Optimizer } from '@eflow/optim';
import { ravel, type Tree, tidyTree } from '@eflow/tensor';
import type * as tf from '@tensorflow/tfjs-core';

/** The optimizer for one vector of all parameters, [P], of which `unravel` makes the tree where the optimizer needs it. */
export function onVector(optimizer: Optimizer, unravel: (vector: tf.Tensor1D) => Tree): Optimizer {
  if (optimizer.elementwise) return optimizer;
  const treeOf = (vector: Tree) => unravel(vector as tf.Tensor1D);
  return {
    ...optimizer,
    init: (params) => tidyTree(() => optimizer.init(treeOf(params))),
    update: <T extends Tree>(grads: Tree, state: Tree, params: T, coefficients: Coefficients) =>
      tidyTree(() => {
        const next = optimizer.update(treeOf(grads), state, treeOf(params), coefficients);
        return { params: ravel(next.params).vector as Tree as T, state: next.state };
      }),
  };
}
