import { assertShape } from '@eflow/tensor';
import * as tf from '@tensorflow/tfjs-core';
import { type AttentionInputs, assertInputs } from './inputs.ts';
import { type FeatureMap, linearAttention } from './linear.ts';
import { slidingWindowAttention } from './sliding-window.ts';

/**
 * Gated Local-Global Attention (EFlow, arXiv 2603.27086): gate * O_global + (1 - gate) * O_local, where linear attention
 * sees all tokens, a sliding window of +-windowSize the neighbours, and both share q, k and v. `gate` [B, N, L, 1] in
 * [0, 1], one value per token and head. Returns [B, N, L, D], owned by the caller; cost O(L (D^2 + windowSize D)).
 * Throws if the shapes disagree.
 */
export function gatedLocalGlobalAttention(
  inputs: AttentionInputs & { gate: tf.Tensor },
  { windowSize, featureMap }: { windowSize: number; featureMap: FeatureMap },
): tf.Tensor {
  const { B, N, L } = assertInputs('gatedLocalGlobalAttention', inputs);
  assertShape('gatedLocalGlobalAttention', 'gate', inputs.gate, [B, N, L, 1]);
  return tf.tidy(() => {
    const globalOut = linearAttention(inputs, featureMap);
    const localOut = slidingWindowAttention(inputs, windowSize);
    return tf.add(localOut, tf.mul(inputs.gate, tf.sub(globalOut, localOut)));
  });
}
