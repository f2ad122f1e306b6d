import { RANDOM_KERNELS, randomBits, SCRAMBLE_KEY } from '@eflow/tensor';
import * as tf from '@tensorflow/tfjs-core';
import type { TensorMetadata, TFEOpAttr } from '@tensorflow/tfjs-node-gpu/dist/tfjs_binding.js';
import { nativeBinding, PHILOX, TF_UINT64 } from './binding.ts';
import type { Graph } from './graph.ts';

// The draws of @eflow/tensor in graphs that XLA compiles. XLA has the same Philox as TensorFlow, but another way from a
// seed to its key and from its bits to numbers; here both are TensorFlow's, so that a seed gives the same numbers.

export const XLA_DRAWS: Readonly<Record<string, tf.KernelFunc>> = {
  [RANDOM_KERNELS.uniform]: ({ inputs, attrs }) => toUniform(drawBits(inputs, attrs!.shape as number[])),
  [RANDOM_KERNELS.normal]: ({ inputs, attrs }) => {
    const shape = attrs!.shape as number[];
    const size = tf.util.sizeFromShape(shape);
    const pairs = toUniform(drawBits(inputs, [Math.ceil(size / 2), 2]));
    const [first, second] = tf.split(pairs, 2, 1) as [tf.Tensor, tf.Tensor];
    const radius = tf.sqrt(tf.mul(-2, tf.log(tf.maximum(first, 1e-7))));
    const angle = tf.mul(second, 2 * Math.PI);
    const normals = tf.concat([tf.mul(radius, tf.sin(angle)), tf.mul(radius, tf.cos(angle))], 1);
    return tf.reshape(tf.slice(tf.reshape(normals, [-1]), 0, size), shape);
  },
};

const drawBits = (inputs: tf.NamedTensorInfoMap, shape: number[]) =>
  randomBits({ seed: inputs.seed as tf.Tensor1D }, shape);

/** The low 23 bits as the mantissa of a number in [0, 1). */
const toUniform = (bits: tf.Tensor): tf.Tensor =>
  tf.div(tf.cast(tf.mod(bits, tf.scalar(2 ** 23, 'int32')), 'float32'), 2 ** 23);

/**
 * What StatelessRandomGetKeyCounter gives for an int32 seed: the block of Philox at the counter that the seed makes,
 * sign-extended to 128 bits, which is a draw of four words from there. Key uint64 [1], counter uint64 [2].
 */
export function addKeyAndCounter(graph: Graph, seed: number): TensorMetadata[] {
  const { TF_ATTR_TYPE, TF_ATTR_INT, TF_INT32 } = nativeBinding();
  const int32 = (shape: number[], values: number[]) => graph.addConstant(TF_INT32, shape, Int32Array.from(values)).id;
  const add = (op: string, inputs: number[], attributes: TFEOpAttr[] = []) =>
    graph.addOperation(op, attributes, inputs);
  const type = (name: string, value: number) => ({ name, type: TF_ATTR_TYPE, value });
  const int = (name: string, value: number) => ({ name, type: TF_ATTR_INT, value });
  /** Pairs of words, low word first, as single numbers: [..., 2] -> [...]. */
  const toUint64 = (pairs: number) => add('Bitcast', [pairs], [type('type', TF_UINT64)])[0]!.id;

  const sign = add('RightShift', [seed, int32([], [31])])[0]!.id;
  const at = toUint64(add('Pack', [seed, sign], [int('axis', 1)])[0]!.id);
  const draw = [int32([2], [2, 2]), toUint64(int32([1, 2], [...SCRAMBLE_KEY])), at, int32([], [PHILOX])];
  const words = add('StatelessRandomUniformFullIntV2', draw, [type('dtype', TF_INT32)])[0]!.id;
  const [key, high] = add('Split', [int32([], [0]), toUint64(words)], [int('num_split', 2)]);
  const counter = add('ConcatV2', [toUint64(int32([1, 2], [0, 0])), high!.id, int32([], [0])])[0]!;
  return [key!, counter];
}
