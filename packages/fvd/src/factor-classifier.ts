import type { RandomStream } from '@eflow/tensor';
import * as tf from '@tensorflow/tfjs-core';
import { assertClips, initLayer, type Layer } from './classifier-layers.ts';

/** The 3x3x3 convolutions: channels after each, of which the last is D, the number of features, and strides in time, height and width. */
const STAGES = [
  { channels: 24, strides: [1, 1, 1] },
  { channels: 48, strides: [1, 2, 2] },
  { channels: 96, strides: [2, 2, 2] },
  { channels: 128, strides: [2, 2, 2] },
] as const;
const NUM_FEATURES = 128;
/** Clips of so many pixels a side are halved by the first convolution, which would cost more than all others. */
const LARGE_SIDE = 32;

/** About 0.5 million numbers in a plain tree. */
export type FactorClassifierParams = {
  /** 3x3x3: weight [3, 3, 3, in, out], bias [out]. */
  stages: Layer<tf.Tensor5D>[];
  /** For each factor, such as the colour, a linear head: weight [D, K], bias [K], of a factor with K values. */
  heads: Record<string, Layer<tf.Tensor2D>>;
};

export type FactorClassifierOutput = {
  /** [B, D], D = 128: the activations below the heads, averaged over time and space. What the Frechet distance is of. */
  features: tf.Tensor2D;
  /** [B, K] for each factor. */
  logits: Record<string, tf.Tensor2D>;
};

/**
 * The weights that this package ships for captioned digits, a safetensors file whose metadata say how they were trained and how
 * well they do: load it into a tree like `initFactorClassifier` makes, with `loadTree` of @eflow/checkpoint.
 */
export const captionedDigitsClassifierWeights: URL = new URL(
  '../weights/captioned-digits.safetensors',
  import.meta.url,
);

/** The same for moving emoji. */
export const movingEmojiClassifierWeights: URL = new URL('../weights/moving-emoji.safetensors', import.meta.url);

/** Parameters to train from, owned by the caller: for clips of so many channels, and the values of each factor. */
export function initFactorClassifier(
  stream: RandomStream,
  { channels, factors }: { channels: number; factors: Readonly<Record<string, readonly unknown[]>> },
): FactorClassifierParams {
  const heads = Object.entries(factors).map(([name, { length }]) => [
    name,
    initLayer<tf.Tensor2D>(stream, `head ${name}`, [NUM_FEATURES, length]),
  ]);
  return {
    stages: STAGES.map((stage, i) =>
      initLayer(stream, `stage ${i}`, [3, 3, 3, STAGES[i - 1]?.channels ?? channels, stage.channels]),
    ),
    heads: Object.fromEntries(heads),
  };
}

/**
 * What the factors of `clips`, float32 [B, F, H, W, C] in [-1, 1], are: 3x3x3 convolutions, ELU (Clevert et al., arXiv 1511.07289)
 * after each, the mean over time and space, and a linear head for each factor. What moves is told by the clip as a whole, and so no
 * frame is judged alone. Any F, H, W >= 1; from 32 pixels a side on the first convolution halves height and width. Differentiable; the caller owns what is returned. Throws on another shape or dtype.
 */
export function factorClassifier({ stages, heads }: FactorClassifierParams, clips: tf.Tensor): FactorClassifierOutput {
  const C = stages[0]!.weight.shape[3];
  const { H, W } = assertClips('factorClassifier', clips, C);
  const isLarge = Math.min(H!, W!) >= LARGE_SIDE;
  return tf.tidy(() => {
    let maps = tf.div(tf.add(clips, 1), 2) as tf.Tensor5D; // black becomes 0, as the padding is
    for (const [i, { weight, bias }] of stages.entries()) {
      const strides: [number, number, number] = i === 0 && isLarge ? [1, 2, 2] : [...STAGES[i]!.strides];
      maps = tf.elu(tf.add<tf.Tensor5D>(tf.conv3d(maps, weight, strides, 'same'), bias));
    }
    const features = tf.mean<tf.Tensor2D>(maps, [1, 2, 3]);
    const logits: FactorClassifierOutput['logits'] = {};
    for (const [name, { weight, bias }] of Object.entries(heads))
      logits[name] = tf.add(tf.matMul(features, weight), bias);
    return { features, logits };
  });
}
