import { assertShape, type RandomStream, randomNormal, splitStream } from '@eflow/tensor';
import * as tf from '@tensorflow/tfjs-core';

/** Of a convolution or a linear layer: weight [..., in, out], bias [out]. */
export type Layer<Weight extends tf.Tensor> = { weight: Weight; bias: tf.Tensor1D };

/** A layer to train from, owned by the caller: normal of variance 2 / fanIn (He et al., arXiv 1502.01852), bias 0. */
export function initLayer<Weight extends tf.Tensor>(
  stream: RandomStream,
  name: string,
  shape: number[],
): Layer<Weight> {
  const std = Math.sqrt((2 * shape.at(-1)!) / tf.util.sizeFromShape(shape));
  const weight = tf.tidy(() => tf.mul(randomNormal(splitStream(stream, name), shape), std)) as Weight;
  return { weight, bias: tf.zeros([shape.at(-1)!]) as tf.Tensor1D };
}

/** The sizes of `clips`. Throws, naming the function `where`, unless they are float32 [B, F, H, W, C] of C channels, at least one. */
export function assertClips(where: string, clips: tf.Tensor, C: number) {
  const sizes = assertShape(where, 'clips', clips, ['B', 'F', 'H', 'W', C]);
  if (clips.size === 0) throw new Error(`${where}: clips [${clips.shape.join(', ')}] are empty; give at least one`);
  if (clips.dtype !== 'float32') {
    throw new Error(`${where}: clips are ${clips.dtype}; expected float32 in [-1, 1], such as pixel / 127.5 - 1`);
  }
  return sizes;
}
