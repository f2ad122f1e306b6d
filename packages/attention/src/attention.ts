import type * as tf from '@tensorflow/tfjs-core';
import { gatedLocalGlobalAttention } from './gated-local-global.ts';
import type { AttentionInputs } from './inputs.ts';
import { type FeatureMap, linearAttention } from './linear.ts';
import { slidingWindowAttention } from './sliding-window.ts';
import { softmaxAttention } from './softmax.ts';

/** Which attention, with its options. windowSize counts tokens per side. */
export type AttentionSpec =
  | { kind: 'softmax' }
  | { kind: 'linear'; featureMap: FeatureMap }
  | { kind: 'local'; windowSize: number }
  | { kind: 'glga'; windowSize: number; featureMap: FeatureMap };

/**
 * Runs the kernel that `spec` names on q, k, v [B, N, L, D]. `gate` [B, N, L, 1] belongs to 'glga' and is required
 * there. Returns [B, N, L, D], owned by the caller. Throws if shapes disagree or the kind is unknown.
 */
export function attention(spec: AttentionSpec, inputs: AttentionInputs & { gate?: tf.Tensor }): tf.Tensor {
  switch (spec.kind) {
    case 'softmax':
      return softmaxAttention(inputs);
    case 'linear':
      return linearAttention(inputs, spec.featureMap);
    case 'local':
      return slidingWindowAttention(inputs, spec.windowSize);
    case 'glga': {
      const { gate } = inputs;
      if (!gate) throw new Error("attention: kind 'glga' needs a gate [B, N, L, 1]");
      return gatedLocalGlobalAttention({ ...inputs, gate }, spec);
    }
    default:
      throw new Error(
        `attention: unknown kind in ${JSON.stringify(spec satisfies never)}; expected softmax, linear, local or glga`,
      );
  }
}
