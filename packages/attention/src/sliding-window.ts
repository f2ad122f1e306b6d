import * as tf from '@tensorflow/tfjs-core';
import { attend } from './attend.ts';
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
    if (L <= Math.max(3 * windowSize, SHORT)) return attend(queries, keys, v, windowMask(L, L, 0, windowSize));

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
    const mask = tf.minimum(
      windowMask(windowSize, 3 * windowSize, -windowSize, windowSize),
      endsMask(blocks, 3 * windowSize, -windowSize, windowSize, L),
    );
    const output = attend(blockQueries, neighbourhoods(keys), neighbourhoods(v), mask);
    const tokens = tf.reshape(output, [B * N, blocks * windowSize, D]);
    return tf.reshape(tf.slice(tokens, [0, 0, 0], [B * N, L, D]), [B, N, L, D]);
  });
}

/** 0 where query i may see key j, which is firstKey + j places after the first query, else MASKED: [queries, keys]. */
function windowMask(queries: number, keys: number, firstKey: number, windowSize: number): tf.Tensor {
  const key = tf.range(firstKey, firstKey + keys);
  const query = tf.expandDims(tf.range(0, queries), 1);
  return maskUnless(tf.lessEqual(tf.abs(tf.sub(key, query)), windowSize));
}

/** 0 where key j of block b is a token of the sequence, else MASKED: its place is b * windowSize + firstKey + j: [blocks, 1, keys]. */
function endsMask(blocks: number, keys: number, firstKey: number, windowSize: number, length: number): tf.Tensor {
  const first = tf.reshape(tf.range(0, blocks * windowSize, windowSize), [blocks, 1, 1]);
  const place = tf.add(first, tf.range(firstKey, firstKey + keys));
  return maskUnless(tf.logicalAnd(tf.greaterEqual(place, 0), tf.less(place, length)));
}

const maskUnless = (visible: tf.Tensor) => tf.mul(tf.sub(tf.cast(visible, 'float32'), 1), -MASKED);
