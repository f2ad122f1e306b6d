import * as tf from '@tensorflow/tfjs-core';

/**
 * Kernel name under which a backend may offer to run TensorFlow ops that packages bring as C++ sources: inputs by their
 * position, a NativeCall as attributes, the op's outputs as outputs. Its config is a NativeKernelConfig.
 */
export const NATIVE_KERNEL = 'EflowNative';

/** C++ sources of TensorFlow ops: all *.cc of a folder, compiled to one library. */
export interface NativeSources {
  /** The package's name. */
  readonly name: string;
  /** A file: URL, such as `new URL('../native/', import.meta.url).href`. */
  readonly folder: string;
}

export interface NativeCall {
  readonly sources: NativeSources;
  readonly op: string;
  /** Each becomes what the op declares it to be: an int, a float, a bool, a string, or a type, 'float' or 'bfloat16'. */
  readonly attributes: Readonly<Record<string, number | boolean | string>>;
  readonly numOutputs: number;
}

export interface NativeKernelConfig extends tf.KernelConfig {
  /** Whether it runs the ops of these sources, here and now. */
  loads(sources: NativeSources): boolean;
  /** Whether matrix products are in bfloat16, here and now. */
  hasBfloat16Products(): boolean;
}

/**
 * Whether the current backend runs the ops of these sources, here and now. On TensorFlow's own runtime the first call
 * compiles them if need be. False on other backends, on a GPU, without a C++ compiler, and while a function is traced for
 * XLA or for an exported model: then compute the same with other ops.
 */
export function hasNative(sources: NativeSources): boolean {
  return findKernel()?.loads(sources) ?? false;
}

/**
 * Whether matrix products are in bfloat16, here and now: what is composed of them may then be faster than a native op in
 * float32.
 */
export function hasBfloat16Products(): boolean {
  return findKernel()?.hasBfloat16Products() ?? false;
}

const findKernel = () => tf.getKernel(NATIVE_KERNEL, tf.getBackend()) as NativeKernelConfig | undefined;

/**
 * The outputs of the op `op` of the sources, which the caller owns. For the inside of custom gradients: no gradient goes
 * through it. Throws unless `hasNative(sources)`, for an op, an attribute or a number of outputs that the sources do not
 * declare, and whatever error the op reports.
 */
export function runNative(
  sources: NativeSources,
  op: string,
  inputs: readonly tf.Tensor[],
  attributes: NativeCall['attributes'],
  numOutputs: number,
): tf.Tensor[] {
  const call: NativeCall = { sources, op, attributes, numOutputs };
  const named = Object.fromEntries(inputs.entries());
  return tf.engine().runKernel(NATIVE_KERNEL, named, call as object as tf.NamedAttrMap) as tf.Tensor[];
}
