import type { Network } from '@eflow/flow';
import { initLinear, type LinearParams, linear, silu } from '@eflow/nn';
import { type RandomStream, splitStream } from '@eflow/tensor';
import * as tf from '@tensorflow/tfjs-core';

const HIDDEN_SIZE = 128;
const HIDDEN_LAYERS = 3;
/**
 * In quarter turns over t in [0, 1]. Low ones: few training times are close to 1, where sampling begins, and what the network
 * makes of faster features there is a guess that throws single points far off.
 */
const FREQUENCIES = [1, 2];

export type MlpParams = LinearParams[];

/** Xavier-uniform; the caller owns them. */
export function initMlp(stream: RandomStream): MlpParams {
  const sizes = [2 + 4 * FREQUENCIES.length, ...Array<number>(HIDDEN_LAYERS).fill(HIDDEN_SIZE), 2];
  return sizes.slice(1).map((size, i) => initLinear(splitStream(stream, i), sizes[i]!, size));
}

/** The network of points [B, 2] that has these parameters. It has no use for a condition. */
export const bindMlp =
  (params: MlpParams): Network =>
  ({ noisy, timestep, targetTimestep }) =>
    tf.tidy(() => {
      const times = [timestep, tf.sub(timestep, targetTimestep)].map(timeFeatures);
      const [first, ...others] = params;
      return others.reduce((x, layer) => linear(layer, silu(x)), linear(first!, tf.concat([noisy, ...times], 1)));
    });

/** cos and sin of a time at each frequency: [B] -> [B, 2 x frequencies]. */
function timeFeatures(time: tf.Tensor): tf.Tensor {
  const radians = FREQUENCIES.map((frequency) => (frequency * Math.PI) / 2);
  const angles = tf.mul(tf.expandDims(time, 1), tf.tensor2d(radians, [1, radians.length]));
  return tf.concat([tf.cos(angles), tf.sin(angles)], 1);
}
