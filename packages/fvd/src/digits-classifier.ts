import type { RandomStream } from '@eflow/tensor';
import * as tf from '@tensorflow/tfjs-core';
import { assertClips, initLayer, type Layer } from './classifier-layers.ts';

/** Channels after the 3x3x3 convolution and after each 1x3x3 one; the last is D, the number of features. */
const CHANNELS = [16, 32, 64, 64] as const;
const NUM_CLASSES = 10;

/** About 61,000 numbers in a plain tree. */
export type DigitsClassifierParams = {
  /** 3x3x3: weight [3, 3, 3, 1, 16], bias [16]. */
  motion: Layer<tf.Tensor5D>;
  /** 1x3x3, stride 2 in space: weight [3, 3, in, out], bias [out]. */
  stages: Layer<tf.Tensor4D>[];
  /** weight [D, 10], bias [10]. */
  head: Layer<tf.Tensor2D>;
};

export type DigitsClassifierOutput = {
  /** [B, D], D = 64: the activations below the head, averaged over space and frames. What the Frechet distance is of. */
  features: tf.Tensor2D;
  /** [B, F, 10]: what each frame alone, with the one before and the one after, looks like. */
  frameLogits: tf.Tensor3D;
  /** [B, 10]: the mean of the clip's frame logits. */
  logits: tf.Tensor2D;
};

/**
 * The weights that this package ships, a safetensors file whose metadata say how they were trained and how well they
 * do: load it into a tree like `initDigitsClassifier` makes, with `loadTree` of @eflow/checkpoint.
 */
export const digitsClassifierWeights: URL = new URL('../weights/moving-digits.safetensors', import.meta.url);

/** Parameters to train from, owned by the caller. */
export function initDigitsClassifier(stream: RandomStream): DigitsClassifierParams {
  return {
    motion: initLayer(stream, 'motion', [3, 3, 3, 1, CHANNELS[0]]),
    stages: CHANNELS.slice(1).map((channels, i) => initLayer(stream, `stage ${i}`, [3, 3, CHANNELS[i]!, channels])),
    head: initLayer(stream, 'head', [CHANNELS.at(-1)!, NUM_CLASSES]),
  };
}

/**
 * Which digit moves in `clips`, float32 [B, F, H, W, 1] in [-1, 1] with ground -1: a 3x3x3 convolution, then 1x3x3 ones
 * with stride 2 in space, ELU (Clevert et al., arXiv 1511.07289) after each, the mean over space, a linear head. Time is
 * never strided, and frame f is judged from frames f - 1 to f + 1 alone, with empty ones before the first and after the
 * last. Any F, H, W >= 1. Differentiable; the caller owns what is returned. Throws on another shape or dtype.
 */
export function digitsClassifier(params: DigitsClassifierParams, clips: tf.Tensor): DigitsClassifierOutput {
  const { B, F, H, W } = assertClips('digitsClassifier', clips, 1);
  return tf.tidy(() => {
    const ink = tf.div(tf.add(clips, 1), 2) as tf.Tensor5D; // the ground becomes 0, as the padding is
    const seen = tf.elu(tf.add(tf.conv3d(ink, params.motion.weight, 1, 'same'), params.motion.bias));
    let maps = tf.reshape(seen, [B * F, H, W, CHANNELS[0]]) as tf.Tensor4D;
    for (const { weight, bias } of params.stages)
      maps = tf.elu(tf.add<tf.Tensor4D>(tf.conv2d(maps, weight, 2, 'same'), bias));
    const frames = tf.mean<tf.Tensor2D>(maps, [1, 2]);
    const rows = tf.add(tf.matMul(frames, params.head.weight), params.head.bias);
    const frameLogits = tf.reshape(rows, [B, F, NUM_CLASSES]) as tf.Tensor3D;
    return {
      features: tf.mean<tf.Tensor2D>(tf.reshape(frames, [B, F, CHANNELS.at(-1)!]), 1),
      frameLogits,
      logits: tf.mean<tf.Tensor2D>(frameLogits, 1),
    };
  });
}
