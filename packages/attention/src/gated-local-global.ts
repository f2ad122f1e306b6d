import { assertShape } from '@eflow/tensor';
import * as tf from '@tensorflow/tfjs-core';
import type { FeatureMap } from './feature-map.ts';
import { type AttentionInputs, assertCount, assertInputs } from './inputs.ts';
import { composedLinear } from './linear.ts';
import { nativeAttention } from './native.ts';
import { composedSlidingWindow } from './sliding-window.ts';

export interface GatedLocalGlobalOptions {
  /** Tokens per side. */
  windowSize: number;
  featureMap: FeatureMap;
}

/**
 * Gated Local-Global Attention (EFlow, arXiv 2603.27086): gate * O_global + (1 - gate) * O_local, where linear attention
 * sees all tokens, a sliding window of +-windowSize the neighbours, and both share q, k and v. `gate` [B, N, L, 1] in
 * [0, 1], one value per token and head. Returns [B, N, L, D], owned by the caller; cost O(L (D^2 + windowSize D)).
 * Throws if the shapes disagree or an option cannot be.
 */
export function gatedLocalGlobalAttention(
  inputs: AttentionInputs & { gate: tf.Tensor },
  options: GatedLocalGlobalOptions,
): tf.Tensor {
  const { B, N, L } = assertInputs('gatedLocalGlobalAttention', inputs);
  assertShape('gatedLocalGlobalAttention', 'gate', inputs.gate, [B, N, L, 1]);
  assertCount('gatedLocalGlobalAttention', 'windowSize', options.windowSize, 'tokens per side');
  return nativeAttention(inputs, { ...options, gate: inputs.gate }) ?? composedGatedLocalGlobal(inputs, options);
}

/** The same of TensorFlow.js ops alone, of inputs that are checked. */
export function composedGatedLocalGlobal(
  inputs: AttentionInputs & { gate: tf.Tensor },
  { windowSize, featureMap }: GatedLocalGlobalOptions,
): tf.Tensor {
  return tf.tidy(() => {
    const globalOut = composedLinear(inputs, { featureMap });
    const localOut = composedSlidingWindow(inputs, windowSize);
    return tf.add(localOut, tf.mul(inputs.gate, tf.sub(globalOut, localOut)));
  });
}
