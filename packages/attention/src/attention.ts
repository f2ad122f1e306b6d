import type * as tf from '@tensorflow/tfjs-core';
import { type GatedLocalGlobalOptions, gatedLocalGlobalAttention } from './gated-local-global.ts';
import type { AttentionInputs } from './inputs.ts';
import { type LinearOptions, linearAttention } from './linear.ts';
import { slidingWindowAttention, type WindowSize } from './sliding-window.ts';
import { softmaxAttention } from './softmax.ts';
import { type SparseLinearOptions, sparseLinearAttention } from './sparse-linear.ts';
import type { Grid } from './tiles.ts';

/** Which attention, with its options. */
export type AttentionSpec =
  | { kind: 'softmax' }
  | ({ kind: 'linear' } & LinearOptions)
  | { kind: 'local'; windowSize: WindowSize }
  | ({ kind: 'sla' } & SparseLinearOptions)
  | ({ kind: 'glga' } & GatedLocalGlobalOptions);

/** What some kinds take besides q, k and v; the others leave it aside. */
export interface KindInputs {
  /** [B, N, L, 1] in [0, 1], for 'glga'. */
  gate?: tf.Tensor;
  /** [D, D], of inputs to outputs, for 'sla'. */
  proj?: tf.Tensor;
  /** Frames, rows and columns of the tokens, for 'local' with a window [f, h, w]. */
  grid?: Grid;
}

/**
 * Runs the kernel that `spec` names on q, k, v [B, N, L, D]. Returns [B, N, L, D], owned by the caller. Throws if shapes
 * disagree, an option cannot be, the kind is unknown, or an input that it needs is missing.
 */
export function attention(spec: AttentionSpec, inputs: AttentionInputs & KindInputs): tf.Tensor {
  switch (spec.kind) {
    case 'softmax':
      return softmaxAttention(inputs);
    case 'linear':
      return linearAttention(inputs, spec);
    case 'local':
      return slidingWindowAttention(inputs, spec.windowSize);
    case 'sla': {
      const { proj } = inputs;
      if (!proj) throw new Error("attention: kind 'sla' needs proj [D, D]; zeros to begin with");
      const { kind: _, ...options } = spec;
      return sparseLinearAttention({ ...inputs, proj }, options);
    }
    case 'glga': {
      const { gate } = inputs;
      if (!gate) throw new Error("attention: kind 'glga' needs a gate [B, N, L, 1]");
      return gatedLocalGlobalAttention({ ...inputs, gate }, spec);
    }
    default:
      throw new Error(
        `attention: unknown kind in ${JSON.stringify(spec satisfies never)}; expected softmax, linear, local, sla or glga`,
      );
  }
}
