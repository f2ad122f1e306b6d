import * as tf from '@tensorflow/tfjs-core';
import { gradients } from './gradients.ts';
import { withoutTape } from './tape.ts';
import { fillTree, mapTree, type Tree, treeLeaves } from './tree.ts';

/**
 * Kernel name under which a backend may offer a barrier: inputs `{ x, after }`, the output is x, and is not made before
 * `after` is. A graph's optimiser merges equal computations; behind a barrier one is not equal to the other.
 */
export const BARRIER_KERNEL = 'EflowBarrier';

/**
 * `fn(inputs)`, of which only the inputs are kept for the gradient: where the gradient needs more, `fn` runs a second time
 * (Chen et al., "Training deep nets with sublinear memory cost", arXiv 1604.06174). The gradient reaches the float32
 * leaves of `inputs` and nothing else, so the parameters belong there, and so does every tensor that may be gone by then.
 * `fn` returns a new tensor, the same each time; the caller owns it. Throws if a gradient of the gradient is taken.
 */
export function rematerialise<T extends Tree>(fn: (inputs: T) => tf.Tensor, inputs: T): tf.Tensor {
  const leaves = treeLeaves(inputs);
  return tf.customGrad((...args) => {
    (args.at(-1) as tf.GradSaveFunc)(leaves);
    return { value: fn(inputs), gradFunc: (dy, saved) => pullBack(fn, fillTree(inputs, saved), dy) };
  })(...leaves.filter(isFloat));
}

/** The gradients of the float32 leaves of `inputs`, in order, by running `fn` again once `dy` is there. */
function pullBack<T extends Tree>(fn: (inputs: T) => tf.Tensor, inputs: T, dy: tf.Tensor): tf.Tensor[] {
  if (tf.engine().state.gradientDepth > 0) {
    throw new Error(
      'rematerialise: a gradient of its gradient was asked for; expected first gradients alone: leave it out',
    );
  }
  return withoutTape(() =>
    tf.tidy(() => {
      const again = mapTree(inputs, (leaf) => placeBehind(dy, leaf));
      const xs = treeLeaves(again).filter(isFloat);
      return gradients(() => fn(again), xs, dy).map((grad, i) => grad ?? tf.zerosLike(xs[i]!));
    }),
  );
}

/**
 * x, not made before `after` is, where the backend runs a graph and could do both at once; elsewhere x itself. For the
 * inside of custom gradients: no gradient goes through it.
 */
export function placeBehind(after: tf.Tensor, x: tf.Tensor): tf.Tensor {
  if (!tf.getKernel(BARRIER_KERNEL, tf.getBackend())) return x;
  return tf.engine().runKernel(BARRIER_KERNEL, { x, after }) as tf.Tensor;
}

const isFloat = (x: tf.Tensor) => x.dtype === 'float32';
