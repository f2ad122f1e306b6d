import * as tf from '@tensorflow/tfjs-core';
import * as z from 'zod';
import { cumulativeSum } from './cumulative-sum.ts';
import { featureMapSchema, LINEAR_EPS, mapFeatures } from './feature-map.ts';
import { type AttentionInputs, assertCount, assertInputs } from './inputs.ts';
import { type AttentionKind, count, fillIn } from './kind.ts';
import { nativeAttention } from './native.ts';
import { linearSum } from './oracle.ts';
import { rotate } from './rotary.ts';
import { cutSequence, joinSequence } from './sequence-blocks.ts';

const schema = z.strictObject({
  kind: z.literal('linear'),
  featureMap: featureMapSchema.default('relu'),
  causalBlockSize: count.optional().describe('tokens of a block, which sees itself and those before it; absent: all'),
});

/** The options of `linearKind.schema`, which says what they mean; all have defaults. */
export type LinearOptions = Omit<z.input<typeof schema>, 'kind'>;

type Filled = Omit<z.output<typeof schema>, 'kind'>;

export const linearKind = {
  kind: 'linear',
  name: 'linear',
  schema,
  examples: [
    { kind: 'linear', featureMap: 'relu' },
    { kind: 'linear', featureMap: 'elu1' },
    { kind: 'linear', featureMap: 'softmax' },
    { kind: 'linear', featureMap: 'elu1', causalBlockSize: 5 },
  ],
  learns: {},
  attend: linearAttention,
  oracle(head, { featureMap, causalBlockSize = Number.POSITIVE_INFINITY }) {
    const block = (token: number) => Math.floor(token / causalBlockSize);
    return linearSum(head, featureMap, (i, j) => block(j) <= block(i));
  },
  products({ causalBlockSize }, { length, headDim }) {
    if (causalBlockSize !== undefined) assertCausal('attentionFlops', causalBlockSize);
    return { linear: linearProducts(length, headDim) };
  },
} satisfies AttentionKind<typeof schema>;

/**
 * Linear attention (Katharopoulos et al., arXiv 2006.16236):
 * O_i = phi(q_i) sum_j phi(k_j)^T v_j / (phi(q_i) . sum_j phi(k_j) + eps), over all tokens j, or block-causally over those
 * up to the end of i's own block. As in SANA-Video (arXiv 2509.24695) rotary turns phi(q) and phi(k) in the numerator
 * alone, so that the denominator stays positive. Returns [B, N, L, D], owned by the caller; cost O(L D^2); block-causal
 * memory holds a [D, D] state for each block. Throws if the shapes disagree or an option cannot be.
 */
export function linearAttention(inputs: AttentionInputs, options: LinearOptions = {}): tf.Tensor {
  const { L } = assertInputs('linearAttention', inputs);
  const { featureMap, causalBlockSize } = fillIn('linearAttention', schema, { kind: 'linear', ...options });
  if (causalBlockSize !== undefined) assertCausal('linearAttention', causalBlockSize);
  const isCausal = causalBlockSize !== undefined && causalBlockSize < L;
  return (
    (isCausal ? undefined : nativeAttention(inputs, { featureMap })) ??
    composedLinear(inputs, { featureMap, causalBlockSize })
  );
}

/** The same of TensorFlow.js ops alone, of inputs that are checked. */
export function composedLinear({ q, k, v, rotary }: AttentionInputs, options: Filled): tf.Tensor {
  const { featureMap, causalBlockSize } = options;
  const L = q.shape[2]!;
  const blockSize = Math.min(causalBlockSize ?? L, L);
  const cut = (x: tf.Tensor) => cutSequence(x, blockSize); // [B N, blocks, blockSize, D]
  const upToHere = (x: tf.Tensor) => (blockSize < L ? cumulativeSum(x) : x);
  return tf.tidy(() => {
    const queries = mapFeatures(featureMap, q);
    const keys = mapFeatures(featureMap, k);
    const turn = (x: tf.Tensor) => (rotary ? rotate(x, rotary) : x);
    const keysTimesValues = upToHere(tf.matMul(cut(turn(keys)), cut(v), true, false)); // [B N, blocks, D, D]
    const keySum = upToHere(tf.sum(cut(keys), 2, true)); // [B N, blocks, 1, D]
    const numerator = tf.matMul(cut(turn(queries)), keysTimesValues);
    const denominator = tf.matMul(cut(queries), keySum, false, true); // [B N, blocks, blockSize, 1]
    return joinSequence(tf.div(numerator, tf.add(denominator, LINEAR_EPS)), q.shape);
  });
}

/** The state, its product with q, and that of q with the sum of keys; block by block the same, as running sums have none. */
export const linearProducts = (L: number, D: number): number => 2 * L * D ** 2 + L * D;

const assertCausal = (where: string, causalBlockSize: number) =>
  assertCount(where, 'causalBlockSize', causalBlockSize, 'tokens of a block');
