import { hasBfloat16Products } from '@eflow/tensor';
import * as tf from '@tensorflow/tfjs-core';
import * as z from 'zod';
import { attend } from './attend.ts';
import { attendBlocks } from './attend-blocks.ts';
import { type AttentionInputs, assertInputs } from './inputs.ts';
import type { AttentionKind } from './kind.ts';
import { nativeAttention } from './native.ts';
import { softmaxSum } from './oracle.ts';
import { rotate } from './rotary.ts';

const schema = z.strictObject({ kind: z.literal('softmax') });

export const softmaxKind = {
  kind: 'softmax',
  name: 'softmax',
  schema,
  examples: [{ kind: 'softmax' }],
  learns: {},
  attend: softmaxAttention,
  oracle: (head) => softmaxSum(head, () => true),
  products: (_spec, { length: L, headDim: D }) => ({ pairs: 2 * D * L ** 2 }),
} satisfies AttentionKind<typeof schema>;

/** Scores that are held at once, over all B N heads: 2^24 float32 are 64 MiB. */
const BLOCK_SCORES = 2 ** 24;
/** Scores that are kept for the gradient where products are in bfloat16: 128 MiB. */
const MAX_KEPT_SCORES = 2 ** 25;
/** With shorter blocks than this, the time goes into starting ops. */
const MIN_BLOCK = 512;

/**
 * Exact attention, softmax(q k^T / sqrt(D)) v, over all pairs of tokens (Vaswani et al., arXiv 1706.03762). Rotary
 * turns q and k. A sequence whose scores do not fit into 64 MiB (4,096 tokens of one head) is worked on in blocks of keys
 * and queries, and again in the gradient. Returns [B, N, L, D], owned by the caller; cost O(L^2 D), memory O(L D) beyond
 * that length. Throws if the shapes disagree.
 */
export function softmaxAttention(inputs: AttentionInputs): tf.Tensor {
  assertInputs('softmaxAttention', inputs);
  const [B, N, L] = inputs.q.shape as [number, number, number];
  // Products in bfloat16 outrun the kernel, which is float32, while scores are few enough to be kept.
  if (hasBfloat16Products() && B * N * L * L <= MAX_KEPT_SCORES) return composedSoftmax(inputs, L);
  return nativeAttention(inputs, { windowSize: L }) ?? composedSoftmax(inputs);
}

/**
 * The same of TensorFlow.js ops alone, of inputs that are checked. `blockSize` is the length of blocks of keys and queries;
 * a sequence that is no longer is not cut.
 */
export function composedSoftmax(
  { q, k, v, rotary }: AttentionInputs,
  blockSize = chooseBlockSize(q.shape[0]! * q.shape[1]!),
): tf.Tensor {
  const [L, D] = q.shape.slice(2) as [number, number];
  return tf.tidy(() => {
    const queries = tf.mul(rotary ? rotate(q, rotary) : q, 1 / Math.sqrt(D));
    const keys = rotary ? rotate(k, rotary) : k;
    return L <= blockSize ? attend(queries, keys, v) : attendBlocks(queries, keys, v, blockSize);
  });
}

const chooseBlockSize = (heads: number) => Math.max(MIN_BLOCK, Math.floor(Math.sqrt(BLOCK_SCORES / heads)));
