import { assertShape } from '@eflow/tensor';
import * as tf from '@tensorflow/tfjs-core';
import * as z from 'zod';
import { featureMapSchema } from './feature-map.ts';
import { type AttentionInputs, assertCount, assertInputs } from './inputs.ts';
import { type AttentionKind, fillIn } from './kind.ts';
import { composedLinear, linearProducts } from './linear.ts';
import { nativeAttention } from './native.ts';
import { linearSum, softmaxSum } from './oracle.ts';
import {
  checkWindow,
  composedSlidingWindow,
  countVisiblePairs,
  DEFAULT_WINDOW_SIZE,
  seesWithin,
  windowSizeSchema,
} from './sliding-window.ts';

const schema = z.strictObject({
  kind: z.literal('glga'),
  windowSize: windowSizeSchema.default(DEFAULT_WINDOW_SIZE),
  featureMap: featureMapSchema.default('relu'),
});

/** The options of `gatedLocalGlobalKind.schema`, which says what they mean; all have defaults. */
export type GatedLocalGlobalOptions = Omit<z.input<typeof schema>, 'kind'>;

export const gatedLocalGlobalKind = {
  kind: 'glga',
  name: 'GLGA',
  schema,
  examples: [{ kind: 'glga', windowSize: 2, featureMap: 'relu' }],
  learns: { gate: { form: 'gate', as: 'gate' } },
  attend: (inputs, spec, { gate }) => gatedLocalGlobalAttention({ ...inputs, gate }, spec),
  oracle(head, { windowSize, featureMap }, { gate }) {
    const local = softmaxSum(head, seesWithin(windowSize));
    const global = linearSum(head, featureMap, () => true);
    return global.map((row, i) => row.map((x, d) => gate[i]! * x + (1 - gate[i]!) * local[i]![d]!));
  },
  products: ({ windowSize }, { length, headDim }) => ({
    pairs: 2 * headDim * countVisiblePairs(windowSize, { length, headDim }),
    linear: linearProducts(length, headDim),
  }),
  check: ({ windowSize }, tokens) => checkWindow(windowSize, tokens),
} satisfies AttentionKind<typeof schema, 'gate'>;

/**
 * Gated Local-Global Attention (EFlow, arXiv 2603.27086): gate * O_global + (1 - gate) * O_local, where linear attention
 * sees all tokens, a sliding window of +-windowSize the neighbours, and both share q, k and v. `gate` [B, N, L, 1] in
 * [0, 1], one value per token and head. Returns [B, N, L, D], owned by the caller; cost O(L (D^2 + windowSize D)).
 * Throws if the shapes disagree or an option cannot be.
 */
export function gatedLocalGlobalAttention(
  inputs: AttentionInputs & { gate: tf.Tensor },
  options: GatedLocalGlobalOptions = {},
): tf.Tensor {
  const { windowSize, featureMap } = fillIn('gatedLocalGlobalAttention', schema, { kind: 'glga', ...options });
  const { B, N, L } = assertInputs('gatedLocalGlobalAttention', inputs);
  assertShape('gatedLocalGlobalAttention', 'gate', inputs.gate, [B, N, L, 1]);
  assertCount('gatedLocalGlobalAttention', 'windowSize', windowSize, 'tokens per side');
  const native = nativeAttention(inputs, { windowSize, featureMap, gate: inputs.gate });
  return native ?? composedGatedLocalGlobal(inputs, { windowSize, featureMap });
}

/** The same of TensorFlow.js ops alone, of inputs that are checked. */
export function composedGatedLocalGlobal(
  inputs: AttentionInputs & { gate: tf.Tensor },
  { windowSize, featureMap }: Required<GatedLocalGlobalOptions>,
): tf.Tensor {
  return tf.tidy(() => {
    const globalOut = composedLinear(inputs, { featureMap });
    const localOut = composedSlidingWindow(inputs, windowSize);
    return tf.add(localOut, tf.mul(inputs.gate, tf.sub(globalOut, localOut)));
  });
}
