import * as tf from '@tensorflow/tfjs-core';
import * as z from 'zod';

/** The positive map phi that stands for the exponential: max(x, 0), elu(x) + 1, or the softmax over D. */
export const featureMapSchema = z.enum(['relu', 'elu1', 'softmax']);

/** The positive map phi that stands for the exponential: max(x, 0), elu(x) + 1, or the softmax over D. */
export type FeatureMap = z.infer<typeof featureMapSchema>;

/** Keeps the denominator of linear attention off zero where ReLU silences all of a query's features. */
export const LINEAR_EPS = 1e-6;

/** phi(x) for x [..., D]; the caller owns the result. Throws on an unknown map. */
export function mapFeatures(featureMap: FeatureMap, x: tf.Tensor): tf.Tensor {
  switch (featureMap) {
    case 'relu':
      return tf.relu(x);
    case 'elu1':
      return tf.tidy(() => tf.add(tf.elu(x), 1));
    case 'softmax':
      return tf.softmax(x);
    default:
      throw new Error(
        `mapFeatures: featureMap is '${featureMap satisfies never}'; expected 'relu', 'elu1' or 'softmax'`,
      );
  }
}
