import { mapTree, type Tree, treeLeaves } from '@eflow/tensor';
import * as tf from '@tensorflow/tfjs-core';

/** What the norm of all gradients is clipped to. */
export const DEFAULT_CLIP_NORM = 1;

/**
 * Scales all gradients by min(1, maxNorm / (norm + 1e-6)), with `norm` the L2 norm over every leaf together: Pascanu et
 * al., arXiv 1211.5063, as torch's clip_grad_norm_ does it. Nothing is read back, so the device is not waited for.
 * If a gradient is infinite or NaN then so is `norm`, and the result is not usable (infinity gives zeros and NaN): look
 * at `norm` before updating. The caller owns `grads` (new tensors) and the scalar `norm`; the argument is untouched.
 * Throws unless `maxNorm` is above 0; Infinity clips nothing.
 */
export function clipByGlobalNorm<T extends Tree>(
  grads: T,
  maxNorm: number = DEFAULT_CLIP_NORM,
): { grads: T; norm: tf.Scalar } {
  if (!(maxNorm > 0)) throw new Error(`clipByGlobalNorm: maxNorm is ${maxNorm}; expected a number above 0, such as 1`);
  const norm = tf.tidy(() => {
    const squares = treeLeaves(grads).map((leaf) => tf.sum<tf.Scalar>(tf.square(leaf)));
    return tf.sqrt(squares.length === 0 ? tf.scalar(0) : tf.addN(squares));
  });
  const factor = tf.tidy(() => tf.minimum(tf.div(maxNorm, tf.add(norm, 1e-6)), 1));
  const clipped = mapTree(grads, (leaf) => tf.mul(leaf, factor));
  factor.dispose();
  return { grads: clipped, norm };
}
