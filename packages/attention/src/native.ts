import { hasNative, type NativeSources, runNative } from '@eflow/tensor';
import * as tf from '@tensorflow/tfjs-core';
import type { FeatureMap } from './feature-map.ts';
import type { AttentionInputs } from './inputs.ts';

/** The C++ kernels of this package, `native/`; asked for where TensorFlow runs, which is never a bundle. */
const SOURCES: NativeSources = {
  name: '@eflow/attention',
  get folder() {
    return new URL('../native/', import.meta.url).href;
  },
};

/** Longest head that the kernels take: their scratch memory is made for it. */
const MAX_HEAD_DIM = 256;

/** Queries and keys of a block, where blocks are listed. */
export const NATIVE_BLOCK = 64;

/** What a kernel does: softmax attention (within a window or to listed blocks of keys), linear attention, or both. */
interface Branches {
  /** Tokens per side. */
  windowSize?: number;
  /** [B, N, blocks, K] int32: the blocks of keys that each block of queries sees. */
  blocks?: tf.Tensor;
  /** The feature map of linear attention. */
  featureMap?: FeatureMap;
  /** [B, N, L, 1], where there are both. */
  gate?: tf.Tensor;
}

/**
 * Attention on q, k, v [B, N, L, D] in C++, forward and backward; a window of at least L is full softmax attention. Returns
 * [B, N, L, D], owned by the caller, or undefined where there is no native form: on other backends than TensorFlow's own,
 * and for D over 256.
 */
export function nativeAttention(
  { q, k, v, rotary }: AttentionInputs,
  { windowSize, blocks, featureMap, gate }: Branches,
): tf.Tensor | undefined {
  if (q.shape[3]! > MAX_HEAD_DIM || !hasNative(SOURCES)) return undefined;
  const kind = gate ? 'Gated' : featureMap ? 'Linear' : blocks ? 'Block' : 'Local';
  const op = `Eflow${kind}Attention`;
  const attributes = {
    ...(windowSize !== undefined && { window: Math.min(windowSize, q.shape[2]!) }),
    ...(featureMap && { feature_map: featureMap }),
  };
  return tf.tidy(() => {
    const { cos, sin } = rotary ?? { cos: tf.tensor1d([]), sin: tf.tensor1d([]) };
    return tf.customGrad((...args) => {
      const learnt = args.slice(0, -1) as [tf.Tensor, tf.Tensor, tf.Tensor, ...tf.Tensor[]];
      const [queries, keys, values, ...gates] = learnt;
      const inputs = [queries, keys, values, cos, sin, ...gates, ...(blocks ? [blocks] : [])];
      const [output, ...kept] = runNative(SOURCES, op, inputs, attributes, gate ? 4 : 2) as [tf.Tensor, ...tf.Tensor[]];
      // The gradient takes the output of a single branch; of two, that of the local one, which is the last of what is kept.
      (args.at(-1) as tf.GradSaveFunc)([...inputs, ...kept, ...(gate ? [] : [output])]);
      return {
        value: output,
        gradFunc: (dy: tf.Tensor, saved: tf.Tensor[]) => {
          const given = [...saved.slice(0, inputs.length), dy, ...saved.slice(inputs.length)];
          return runNative(SOURCES, `${op}Grad`, given, attributes, learnt.length);
        },
      };
    })(q, k, v, ...(gate ? [gate] : []));
  });
}
