import { assertShape } from '@eflow/tensor';
import * as tf from '@tensorflow/tfjs-core';

/**
 * How frames are made another size; scores differ by it (Parmar et al., arXiv 2104.11222).
 * - `bilinear-corner`: TensorFlow 1's `resize_bilinear`, which puts pixels at their corners; the original FVD's.
 * - `bilinear`: pixels at their centres: PyTorch's `interpolate(mode='bilinear')`, TensorFlow 2's `resize`.
 * - `bilinear-antialias`: the same, with a filter that widens as frames shrink: `antialias=True` in both, Pillow's.
 */
export type ResizeRule = 'bilinear-corner' | 'bilinear' | 'bilinear-antialias';

/**
 * Frames of clips [B, F, H, W, C], float32 -> [B, F, height, width, C], owned by the caller. Each axis is a product with the
 * weights of a rule. Throws on another rank or sizes below 1.
 */
export function resizeClips(clips: tf.Tensor, height: number, width: number, rule: ResizeRule): tf.Tensor5D {
  const { B, F, H, W, C } = assertShape('resizeClips', 'clips', clips, ['B', 'F', 'H', 'W', 'C']);
  for (const [name, size] of Object.entries({ height, width })) {
    if (!Number.isInteger(size) || size < 1) {
      throw new Error(`resizeClips: ${name} is ${size}; expected an integer from 1 on`);
    }
  }
  if (H === height && W === width) return tf.clone(clips as tf.Tensor5D);
  return tf.tidy(() => {
    // An axis that stands last is one product for all places.
    const columns = tf.transpose(tf.reshape(clips, [B * F, H, W, C]), [0, 2, 3, 1]); // [B F, W, C, H]
    const high = product(columns, resizeWeights(H, height, rule));
    const rows = tf.transpose(high, [0, 3, 2, 1]); // [B F, height, C, W]
    const wide = product(rows, resizeWeights(W, width, rule));
    return tf.reshape(tf.transpose(wide, [0, 1, 3, 2]), [B, F, height, width, C]);
  });
}

/** x [..., in] by weights [out, in] -> [..., out]. */
function product(x: tf.Tensor, weights: tf.Tensor2D): tf.Tensor {
  const [outSize, size] = weights.shape;
  return tf.reshape(tf.matMul(tf.reshape(x, [-1, size]), weights, false, true), [...x.shape.slice(0, -1), outSize]);
}

/** What every pixel of an axis takes of those before: [out, in], each row with the sum 1. */
export function resizeWeights(size: number, outSize: number, rule: ResizeRule): tf.Tensor2D {
  const scale = size / outSize;
  const reach = rule === 'bilinear-antialias' ? Math.max(1, scale) : 1;
  const rows = Array.from({ length: outSize }, (_, i) => {
    const center = rule === 'bilinear-corner' ? i * scale : (i + 0.5) * scale - 0.5;
    // Without a wider filter what lies beyond the edge is the edge's pixel; with one it is left out.
    const at = reach > 1 ? center : Math.min(Math.max(center, 0), size - 1);
    const row = Array.from({ length: size }, (_, j) => Math.max(0, 1 - Math.abs(j - at) / reach));
    const sum = row.reduce((a, b) => a + b);
    return row.map((weight) => weight / sum);
  });
  return tf.tensor2d(rows);
}
