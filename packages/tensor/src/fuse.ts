import * as tf from '@tensorflow/tfjs-core';

/**
 * Kernel name under which a backend may offer to run a function of tensors in one pass over memory: inputs by their
 * position, the function as attribute `fn`, its results as outputs.
 */
export const FUSE_KERNEL = 'EflowFuse';

/** A function from tensors to tensors that does elementwise work and reductions alone. */
export type Fusible = (...inputs: tf.Tensor[]) => tf.Tensor[];

/**
 * `fn(...inputs)`, in one pass over memory where the backend can do that. For the inside of custom gradients: no gradient
 * goes through it. `fn` is a function of its inputs alone, and the same object at every call. The caller owns the results.
 */
export function fuse(fn: Fusible, ...inputs: tf.Tensor[]): tf.Tensor[] {
  if (!tf.getKernel(FUSE_KERNEL, tf.getBackend())) return fn(...inputs);
  const named = Object.fromEntries(inputs.map((input, i) => [i, input]));
  return tf.engine().runKernel(FUSE_KERNEL, named, { fn } as object as tf.NamedAttrMap) as tf.Tensor[];
}
