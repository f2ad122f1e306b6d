import * as tf from '@tensorflow/tfjs-core';
import { type AttentionInputs, assertInputs } from './inputs.ts';
import { rotate } from './rotary.ts';

/** Up to here one masked product over all pairs costs less than cutting the sequence up. */
const SHORT = 128;

/** Added to scores outside the window; exp of it is exactly 0 in float32. */
const MASKED = -1e9;

/**
 * Softmax attention in which token i sees the tokens j with |i - j| <= windowSize, in sequence order; at the ends the
 * window is cut, never padded. A long sequence is cut into blocks of windowSize tokens, each against its own block and
 * both neighbours. Returns [B, N, L, D], owned by the caller; cost and memory O(L windowSize). Throws if the shapes
 * disagree or windowSize is not a positive integer.
 */
export function slidingWindowAttention({ q, k, v, rotary }: AttentionInputs, windowSize: number): tf.Tensor {
  const { B, N, L, D } = assertInputs('slidingWindowAttention', { q, k, v });
  if (!Number.isInteger(windowSize) || windowSize < 1) {
    throw new Error(
      `slidingWindowAttention: windowSize is ${windowSize}; expected tokens per side, an integer of at least 1`,
    );
  }
  return tf.tidy(() => {
    const queries = tf.mul(rotary ? rotate(q, rotary) : q, 1 / Math.sqrt(D));
    const keys = rotary ? rotate(k, rotary) : k;
    // Three blocks hold the whole sequence, or it is short: blocks would save nothing.
    if (L <= Math.max(3 * windowSize, SHORT))
      return maskedAttention(queries, keys, v, windowMask(1, L, L, 0, windowSize, L));

    const blocks = Math.ceil(L / windowSize);
    const tail = blocks * windowSize - L;
    const padTokens = (x: tf.Tensor, before: number, after: number) =>
      tf.pad(tf.reshape(x, [B * N, L, D]), [
        [0, 0],
        [before, after],
        [0, 0],
      ]);
    const neighbourhoods = (x: tf.Tensor) => {
      const padded = tf.reshape(padTokens(x, windowSize, windowSize + tail), [B * N, blocks + 2, windowSize, D]);
      const shifted = [0, 1, 2].map((first) => tf.slice(padded, [0, first, 0, 0], [B * N, blocks, windowSize, D]));
      return tf.concat(shifted, 2); // [B N, blocks, 3 windowSize, D]
    };
    const blockQueries = tf.reshape(padTokens(queries, 0, tail), [B * N, blocks, windowSize, D]);
    const mask = windowMask(blocks, windowSize, 3 * windowSize, -windowSize, windowSize, L);
    const output = maskedAttention(blockQueries, neighbourhoods(keys), neighbourhoods(v), mask);
    const tokens = tf.reshape(output, [B * N, blocks * windowSize, D]);
    return tf.reshape(tf.slice(tokens, [0, 0, 0], [B * N, L, D]), [B, N, L, D]);
  });
}

const maskedAttention = (q: tf.Tensor, k: tf.Tensor, v: tf.Tensor, mask: tf.Tensor) =>
  tf.matMul(tf.softmax(tf.add(tf.matMul(q, k, false, true), mask)), v);

/** 0 where query i of block b may see key j (whose place is b * queries + firstKey + j), else MASKED: [blocks, queries, keys]. */
function windowMask(
  blocks: number,
  queries: number,
  keys: number,
  firstKey: number,
  windowSize: number,
  length: number,
) {
  const mask = new Float32Array(blocks * queries * keys);
  let next = 0;
  for (let block = 0; block < blocks; block++) {
    for (let i = 0; i < queries; i++) {
      for (let j = 0; j < keys; j++) {
        const key = block * queries + firstKey + j;
        const inside = key >= 0 && key < length && Math.abs(firstKey + j - i) <= windowSize;
        mask[next++] = inside ? 0 : MASKED;
      }
    }
  }
  return tf.tensor(mask, [blocks, queries, keys]);
}
