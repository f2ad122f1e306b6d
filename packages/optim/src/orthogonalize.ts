import * as tf from '@tensorflow/tfjs-core';

/** Steps of the iteration, and the polynomial a x + b x^3 + c x^5 of each. */
const STEPS = 5;
const [A, B, C] = [3.4445, -4.775, 2.0315];
/** A matrix of a smaller norm is taken for zero. */
const LEAST_NORM = 1e-7;

/**
 * Matrices [count, m, n] with their singular values brought near 1, into 0.68 to 1.21 where they are above 0.004 of the root of the
 * sum of all their squares: the Newton-Schulz iteration of Jordan et al., "Muon: An optimizer for
 * hidden layers in neural networks" (2024). Leaves its intermediate results to the caller's tidy, which owns the result.
 */
export function orthogonalize(matrices: tf.Tensor): tf.Tensor {
  const [, m, n] = matrices.shape as [number, number, number];
  const isTall = m > n;
  const norm = tf.sqrt(tf.sum(tf.square(matrices), [1, 2], true)); // of all entries: no singular value is above it
  // A step is x <- (a + b g + c g^2) x with g = x x^T, or from the right with g = x^T x where that is smaller. In two additions:
  // a + b g + c g^2 = (h + b / (2 r))^2 + a - (b / (2 r))^2 with h = r g and r = sqrt(c), and h is the product if x is held times
  // sqrt(r).
  const r = Math.sqrt(C);
  const shift = B / (2 * r);
  const [inner, outer] = [shift, A - shift ** 2].map((value) => tf.diag(tf.fill([Math.min(m, n)], value)));
  let x = tf.div(matrices, tf.div(tf.maximum(norm, LEAST_NORM), Math.sqrt(r)));
  for (let step = 0; step < STEPS; step++) {
    const root = tf.add(tf.matMul(x, x, isTall, !isTall), inner!); // [count, min(m, n), min(m, n)]
    const factor = tf.add(tf.matMul(root, root), outer!);
    x = isTall ? tf.matMul(x, factor) : tf.matMul(factor, x);
  }
  return tf.div(x, Math.sqrt(r));
}
