import * as tf from '@tensorflow/tfjs-core';

/** x [B, N, L, D] -> [B N, blocks, blockSize, D], in order, with zeros after the last token. The caller owns the result. */
export function cutSequence(x: tf.Tensor, blockSize: number): tf.Tensor {
  const [B, N, L, D] = x.shape as [number, number, number, number];
  const blocks = Math.ceil(L / blockSize);
  return tf.tidy(() => {
    const padded = padTokens(tf.reshape(x, [B * N, L, D]), 0, blocks * blockSize - L);
    return tf.reshape(padded, [B * N, blocks, blockSize, D]);
  });
}

/** The inverse: the first L tokens of blocks [B N, blocks, blockSize, D] -> [B, N, L, D]. The caller owns the result. */
export function joinSequence(blocks: tf.Tensor, shape: readonly number[]): tf.Tensor {
  const [B, N, L, D] = shape as [number, number, number, number];
  return tf.tidy(() => tf.reshape(takeTokens(tf.reshape(blocks, [B * N, -1, D]), L), [B, N, L, D]));
}

/** x [A, L, E] with zero tokens before and after; x itself if there are none to add. */
export function padTokens(x: tf.Tensor, before: number, after: number): tf.Tensor {
  if (before === 0 && after === 0) return x;
  const paddings: [number, number][] = [
    [0, 0],
    [before, after],
    [0, 0],
  ];
  return tf.pad(x, paddings);
}

/** The first `length` tokens of x [A, L, E]; x itself if it has no more. */
export function takeTokens(x: tf.Tensor, length: number): tf.Tensor {
  const [A, L, E] = x.shape as [number, number, number];
  return L === length ? x : tf.slice(x, [0, 0, 0], [A, length, E]);
}
