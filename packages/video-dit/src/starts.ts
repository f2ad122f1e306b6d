import { type Initialiser, normal, zeros } from '@eflow/nn';

/**
 * How the weights of a new network start, where that is not as @eflow/nn has it: Xavier-uniform in linear layers, N(0, 0.02^2) in
 * embedders, biases 0, the norms of q and k 1. A new block is the identity, and a new network predicts 0 (adaLN-zero: DiT, arXiv
 * 2212.09748).
 */
export const STARTS = {
  /** A half for every token and head: GLGA's branches weigh alike. */
  attentionGate: zeros,
  /** As in SLA's released code, which starts as its sparse branch alone. */
  attentionProjection: zeros,
  crossAttentionOutput: zeros,
  adaLN: zeros,
  maskToken: normal(0.02),
  finalAdaLN: zeros,
  finalLinear: zeros,
} as const satisfies Record<string, Initialiser>;
