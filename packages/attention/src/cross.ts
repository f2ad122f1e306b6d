import { assertShape } from '@eflow/tensor';
import * as tf from '@tensorflow/tfjs-core';
import { attend } from './attend.ts';
import { assertSize } from './inputs.ts';

export interface CrossAttentionInputs {
  /** [B, N, L, D], of the tokens. */
  q: tf.Tensor;
  /** [B, N, S, D], of the S vectors that the tokens see, such as a text's. */
  k: tf.Tensor;
  v: tf.Tensor;
  /** [B, S] bool, true where there is a vector; absent: everywhere. */
  mask?: tf.Tensor | undefined;
}

/** Added to the scores of vectors that are not there: below any score in float32, and exp of what is left is exactly 0. */
const MASKED = -3e38;

/**
 * Attention of tokens to a sequence of vectors (Vaswani et al., arXiv 1706.03762): softmax(q k^T / sqrt(D)) v over those
 * that are there. What stands in the places of the others counts for nothing, not even NaN, and has gradient 0; a clip
 * without any vector gets exactly 0, and its gradients are 0. Returns [B, N, L, D], owned by the caller; cost
 * O(L S D), memory O(L S). Throws if the shapes disagree, without tokens or places for vectors, if there are more than
 * 2^31 - 1 scores, or if the mask is not bool.
 */
export function crossAttention(inputs: CrossAttentionInputs): tf.Tensor {
  const D = assertCrossInputs('crossAttention', inputs);
  const { q, k, v, mask } = inputs;
  return tf.tidy(() => {
    const queries = tf.mul(q, 1 / Math.sqrt(D));
    if (!mask) return attend(queries, k, v);
    const [B, S] = mask.shape as [number, number];
    const isThere = tf.reshape(mask, [B, 1, S, 1]);
    // Zeros for keys and values: weights that are 0 do not silence NaN, and without any vector the mean of all is 0.
    const keep = (x: tf.Tensor) => tf.where(isThere, x, tf.zerosLike(x));
    const missing = tf.sub(1, tf.cast(tf.reshape(mask, [B, 1, 1, S]), 'float32'));
    return attend(queries, keep(k), keep(v), tf.mul(missing, MASKED));
  });
}

/** D of the inputs; throws as `crossAttention` does. */
function assertCrossInputs(where: string, { q, k, v, mask }: CrossAttentionInputs): number {
  const { B, N, L, D } = assertShape(where, 'q', q, ['B', 'N', 'L', 'D']);
  const { S } = assertShape(where, 'k', k, ['B', 'N', 'S', 'D'], { B, N, D });
  assertShape(where, 'v', v, ['B', 'N', 'S', 'D'], { B, N, S, D });
  if (q.size === 0) throw new Error(`${where}: q is [${q.shape.join(', ')}]; expected at least one token`);
  if (S === 0) {
    const wayOut = 'a clip without any vector has a place for one and false in its mask';
    throw new Error(`${where}: k is [${k.shape.join(', ')}]; expected at least one vector: ${wayOut}`);
  }
  assertSize(where, 'q', q.shape);
  assertSize(where, 'k', k.shape);
  assertSize(where, 'scores', [B, N, L, S]);
  if (mask) {
    assertShape(where, 'mask', mask, ['B', 'S'], { B, S });
    if (mask.dtype !== 'bool') {
      throw new Error(
        `${where}: mask is ${mask.dtype}; expected bool, true where there is a vector: tf.cast(mask, 'bool')`,
      );
    }
  }
  return D;
}
