import { assertShape } from '@eflow/tensor';
import * as tf from '@tensorflow/tfjs-core';
import * as z from 'zod';
import { orderBlocks, rankBlocks } from './block-order.ts';
import { featureMapSchema } from './feature-map.ts';
import { type AttentionInputs, assertCount, assertInputs } from './inputs.ts';
import { type AttentionKind, count, fillIn } from './kind.ts';
import { linearAttention, linearProducts } from './linear.ts';
import { NATIVE_BLOCK, nativeAttention } from './native.ts';
import { cutRows, dot, type Head, linearSum, meanRow, softmaxSum, weightedSum } from './oracle.ts';
import { composedPicked } from './picked-blocks.ts';
import { rotate } from './rotary.ts';
import { linearOverBlocks } from './seen-blocks.ts';

/** Defaults are the paper's. */
const schema = z.strictObject({
  kind: z.literal('sla'),
  blockSize: count.default(64).describe('tokens of a block of queries or of keys'),
  topRatio: z
    .number()
    .gt(0)
    .max(1)
    .default(0.05)
    .describe('share of the blocks of keys with exact attention, one at least'),
  skipRatio: z.number().min(0).max(1).default(0.1).describe('share of the blocks of keys that are not seen'),
  featureMap: featureMapSchema.default('softmax'),
  variant: z
    .enum(['paper', 'code'])
    .default('paper')
    .describe('whether the linear branch sees the blocks between, or, as the released code has it, all'),
});

/** The options of `sparseLinearKind.schema`, which says what they mean; the paper's where they are absent. */
export type SparseLinearOptions = Omit<z.input<typeof schema>, 'kind'>;

export const sparseLinearKind = {
  kind: 'sla',
  name: 'SLA',
  schema,
  examples: [
    { kind: 'sla', blockSize: 3, topRatio: 0.3, skipRatio: 0.3 },
    { kind: 'sla', blockSize: 3, topRatio: 0.3, variant: 'code' },
  ],
  learns: { proj: { form: 'projection', as: 'proj_l' } }, // as in the released code
  attend: (inputs, spec, { proj }) => sparseLinearAttention({ ...inputs, proj }, spec),
  oracle: (head, spec, { proj }) => sparseLinearSum(head, spec, proj),
  products(spec, { length: L, headDim: D }) {
    const { top, blockSize } = planBlocks('attentionFlops', L, spec);
    return { pairs: 2 * D * L * Math.min(L, top * blockSize), linear: linearProducts(L, D) + L * D ** 2 };
  },
} satisfies AttentionKind<typeof schema, 'proj'>;

/**
 * Sparse-linear attention (SLA, arXiv 2509.24006): O_sparse + O_linear proj. For each block of queries the blocks of keys
 * are ordered by the product of mean query and mean key: the top share gets exact softmax attention, the lowest share none,
 * and what is between linear attention (in the variant 'code': linear attention over all tokens, nothing skipped).
 * Rotary turns q and k ahead of both. `proj` [D, D], of inputs to outputs, is shared by the heads, and zero at the start of
 * training. The order has no gradient. The last block may be shorter. Returns [B, N, L, D], owned by the caller; cost and
 * memory O(topRatio L^2 + L D^2). Throws if the shapes disagree or an option cannot be.
 */
export function sparseLinearAttention(
  inputs: AttentionInputs & { proj: tf.Tensor },
  options: SparseLinearOptions = {},
): tf.Tensor {
  const { L, D } = assertInputs('sparseLinearAttention', inputs);
  assertShape('sparseLinearAttention', 'proj', inputs.proj, [D, D]);
  const { blockSize, featureMap, variant, top, visible } = planBlocks('sparseLinearAttention', L, options);
  const { v, proj, rotary } = inputs;
  return tf.tidy(() => {
    const [q, k] = rotary ? [rotate(inputs.q, rotary), rotate(inputs.k, rotary)] : [inputs.q, inputs.k];
    const order = orderBlocks(q, k, blockSize); // [B N, blocks, blocks]
    const sparse = attendPicked({ q, k, v }, tf.slice(order, [0, 0, 0], [-1, -1, top]), blockSize);
    const linear =
      variant === 'code'
        ? linearAttention({ q, k, v }, { featureMap })
        : linearOverBlocks({ q, k, v }, between(rankBlocks(order), top, visible), { featureMap, blockSize });
    // One product over all tokens: TensorFlow.js does not sum the gradient of a broadcast one.
    const projected = tf.matMul(tf.reshape(linear, [-1, D]), proj as tf.Tensor2D);
    return tf.add(sparse, tf.reshape(projected, q.shape));
  });
}

/**
 * All options, and of the blocks of keys that a block of queries orders, how many it attends to exactly and how many it
 * sees at all. Throws if an option cannot be.
 */
function planBlocks(where: string, L: number, options: SparseLinearOptions) {
  const plan = fillIn(where, schema, { kind: 'sla', ...options });
  const { blockSize, topRatio, skipRatio, variant } = plan;
  assertCount(where, 'blockSize', blockSize, 'tokens of a block');
  assertShare(where, 'topRatio', topRatio, topRatio > 0 && topRatio <= 1, 'in (0, 1]');
  assertShare(where, 'skipRatio', skipRatio, skipRatio >= 0 && skipRatio <= 1, 'in [0, 1]');
  if (variant !== 'paper' && variant !== 'code') {
    throw new Error(`${where}: variant is '${variant satisfies never}'; expected 'paper' or 'code'`);
  }
  const blocks = Math.ceil(L / blockSize);
  const top = Math.max(1, Math.floor(topRatio * blocks));
  const visible = blocks - Math.min(Math.floor(skipRatio * blocks), blocks - top);
  return { ...plan, top, visible };
}

/** The sums that define it, of one head: the oracle. */
function sparseLinearSum(
  head: Head,
  { blockSize, topRatio, skipRatio, featureMap, variant }: Required<SparseLinearOptions>,
  proj: number[],
): number[][] {
  const turned: Head = {
    queries: head.queries.map(head.turn),
    keys: head.keys.map(head.turn),
    values: head.values,
    turn: (row) => row,
  };
  const means = (rows: number[][]) => cutRows(rows, blockSize).map((block) => meanRow(block));
  const keyMeans = means(turned.keys);
  const blocks = keyMeans.length;
  const top = Math.max(1, Math.floor(topRatio * blocks));
  const visible = blocks - Math.min(Math.floor(skipRatio * blocks), blocks - top);
  // The place of each block of keys in the order of a block of queries, the largest product first.
  const ranks = means(turned.queries).map((query) => {
    const map = keyMeans.map((key) => dot(query, key));
    return map.map((value, j) => map.filter((other, l) => other > value || (other === value && l < j)).length);
  });
  const rank = (i: number, j: number) => ranks[Math.floor(i / blockSize)]![Math.floor(j / blockSize)]!;
  const sparse = softmaxSum(turned, (i, j) => rank(i, j) < top);
  const all = variant === 'code';
  const rest = linearSum(turned, featureMap, (i, j) => all || (rank(i, j) >= top && rank(i, j) < visible));
  return rest.map((row, i) =>
    weightedSum(row, cutRows(proj, row.length), row.length).map((x, d) => x + sparse[i]![d]!),
  );
}

/** Softmax attention of each block of queries to its picked blocks [B N, blocks, K]. */
function attendPicked(inputs: AttentionInputs, picked: tf.Tensor, blockSize: number): tf.Tensor {
  const blocks = tf.reshape(picked, [...inputs.q.shape.slice(0, 2), ...picked.shape.slice(1)]);
  const native = blockSize === NATIVE_BLOCK ? nativeAttention(inputs, { blocks }) : undefined;
  return native ?? composedPicked(inputs, picked, blockSize);
}

function assertShare(where: string, name: string, value: number, possible: boolean, expected: string): void {
  if (!possible) throw new Error(`${where}: ${name} is ${value}; expected a share ${expected}`);
}

/** 1 where low <= x < high, else 0. */
const between = (x: tf.Tensor, low: number, high: number): tf.Tensor =>
  tf.cast(tf.logicalAnd(tf.greaterEqual(x, low), tf.less(x, high)), 'float32');
