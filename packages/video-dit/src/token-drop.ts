import { assertShape, type RandomStream, randomUniform } from '@eflow/tensor';
import * as tf from '@tensorflow/tfjs-core';

/** Tokens that stay of `length` at a keep ratio in (0, 1]: at least one. Throws on a ratio outside. */
export function countKept(length: number, keepRatio: number): number {
  if (!(keepRatio > 0 && keepRatio <= 1)) {
    throw new Error(`countKept: keepRatio is ${keepRatio}; expected a share in (0, 1], 0.25 to drop three quarters`);
  }
  return Math.max(1, Math.round(length * keepRatio));
}

/**
 * Draws which tokens stay, uniformly and per example (SPRINT, arXiv 2510.21986): [B, K] int32, ascending in each row,
 * so that kept tokens stay in sequence order. The caller owns the result.
 */
export function drawKeptTokens(stream: RandomStream, batchSize: number, length: number, keepRatio: number): tf.Tensor {
  const kept = countKept(length, keepRatio);
  return tf.tidy(() => {
    const scores = randomUniform(stream, [batchSize, length]);
    const { indices } = tf.topk(scores, kept);
    // topk sorts descending: ascending order is the descending order of the negatives.
    const descending = tf.topk(tf.neg(tf.cast(indices, 'float32')), kept).values;
    return tf.cast(tf.neg(descending), 'int32');
  });
}

/** Indices [B, K] into each example's L tokens -> indices [B K] into all B L tokens. */
function flatIndices(kept: tf.Tensor, length: number): tf.Tensor1D {
  const [batchSize, count] = kept.shape as [number, number];
  const offsets = tf.mul(tf.range(0, batchSize, 1, 'int32'), tf.scalar(length, 'int32'));
  return tf.reshape(tf.add(kept, tf.expandDims(offsets, 1)), [batchSize * count]);
}

const gatherRows = (x: tf.Tensor, kept: tf.Tensor, [B, L, E]: number[]) =>
  tf.reshape(tf.gather(tf.reshape(x, [B! * L!, E!]), flatIndices(kept, L!)), [B!, kept.shape[1]!, E!]);

function scatterRows(x: tf.Tensor, kept: tf.Tensor, [B, L, E]: number[]): tf.Tensor {
  const rows = tf.reshape(x, [B! * kept.shape[1]!, E!]);
  const indices = tf.expandDims(flatIndices(kept, L!), 1);
  return tf.reshape(tf.scatterND(indices, rows, [B! * L!, E!]), [B!, L!, E!]);
}

/**
 * The kept tokens: x [B, L, E], kept [B, K] -> [B, K, E], owned by the caller. Its gradient is one scatter, where that
 * of tfjs' batched gather loops over the batch.
 */
export function gatherTokens(x: tf.Tensor, kept: tf.Tensor): tf.Tensor {
  const { B } = assertShape('gatherTokens', 'x', x, ['B', 'L', 'E']);
  assertShape('gatherTokens', 'kept', kept, [B, 'K']);
  const shape = x.shape;
  return tf.customGrad((input, save) => {
    (save as tf.GradSaveFunc)([kept]);
    return {
      value: gatherRows(input as tf.Tensor, kept, shape),
      gradFunc: (dy: tf.Tensor, saved: tf.Tensor[]) => tf.tidy(() => scatterRows(dy, saved[0]!, shape)),
    };
  })(x);
}

/**
 * Puts kept tokens back in their places and a mask token everywhere else: x [B, K, E], kept [B, K],
 * maskToken [E] -> [B, L, E], owned by the caller.
 */
export function restoreTokens(x: tf.Tensor, kept: tf.Tensor, maskToken: tf.Tensor, length: number): tf.Tensor {
  const { B, K, E } = assertShape('restoreTokens', 'x', x, ['B', 'K', 'E']);
  assertShape('restoreTokens', 'kept', kept, [B, K]);
  assertShape('restoreTokens', 'maskToken', maskToken, [E]);
  const shape = [B, length, E];
  return tf.tidy(() => {
    const scattered = tf.customGrad((input, save) => {
      (save as tf.GradSaveFunc)([kept]);
      return {
        value: scatterRows(input as tf.Tensor, kept, shape),
        gradFunc: (dy: tf.Tensor, saved: tf.Tensor[]) => tf.tidy(() => gatherRows(dy, saved[0]!, shape)),
      };
    })(x);
    const dropped = tf.sub(1, scatterRows(tf.fill([B, K, 1], 1), kept, [B, length, 1]));
    return tf.add(scattered, tf.mul(dropped, maskToken));
  });
}
