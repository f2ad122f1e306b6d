import { countTokens, type VideoDiTConfig } from '@eflow/video-dit';

/** A training step is a forward pass and a backward pass of two products for each of its own. */
export const STEP_FLOPS_PER_FORWARD_FLOP = 3;

/** Numbers that an embedder makes of a time: 128 cosines and 128 sines. */
const TIME_FEATURES = 256;

/**
 * Model FLOPs of one forward pass with softmax attention: two for each multiplication in the matrix products that the
 * network's definition has, attention's two among them. An implementation may do others (rotation as a product, a label's
 * row by a one-hot product): those are its own affair and not counted.
 */
export function countForwardFlops(network: VideoDiTConfig, batchSize: number): number {
  const { hiddenSize: E, numHeads: N, depth, mlpRatio, patchSize, channels } = network;
  const L = countTokens(network);
  const rows = batchSize * L;
  const patchLength = patchSize[0] * patchSize[1] * patchSize[2] * channels;
  const mlpSize = Math.round(E * mlpRatio);
  const product = (m: number, k: number, n: number) => 2 * m * k * n;

  const embeddings =
    product(rows, patchLength, E) +
    product(L, (2 * E) / N, E) +
    2 * (product(batchSize, TIME_FEATURES, E) + product(batchSize, E, E));
  const attention = batchSize * N * 2 * product(L, E / N, L);
  const block =
    product(batchSize, E, 6 * E) +
    product(rows, E, 3 * E) +
    attention +
    product(rows, E, E) +
    2 * product(rows, E, mlpSize);
  const numBlocks = depth[0] + depth[1] + depth[2];
  const joins = (1 + Math.min(depth[0], depth[2])) * product(rows, 2 * E, E);
  const final = product(batchSize, E, 2 * E) + product(rows, E, patchLength);
  return embeddings + numBlocks * block + joins + final;
}
