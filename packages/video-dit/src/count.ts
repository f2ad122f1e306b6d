import { attentionFlops, attentionKind, crossAttentionFlops, type Flops, type Grid } from '@eflow/attention';
import { WORDS_STEP, type WordEncoderConfig } from '@eflow/text';
import {
  type ClipSize,
  contextWidth,
  type FullVideoDiTConfig,
  mlpWidth,
  tokenGrid,
  type VideoDiTConfig,
  validateConfig,
} from './config.ts';
import { countKept } from './token-drop.ts';

/** Parameters, and FLOPs of matrix products, two for each multiplication. */
export interface PartCount {
  parameters: number;
  forwardFlops: number;
  /** Forward and backward together. */
  stepFlops: number;
}

export interface NetworkCount extends PartCount {
  /** The weak path, forward. */
  weakFlops: number;
  /** What the whole is the sum of. The middle has the half of the fusion that its output goes through. */
  parts: Record<'encoder' | 'middle' | 'decoder' | 'rest', PartCount>;
}

export interface CountOptions {
  /** B; 1 unless given. */
  batchSize?: number;
  /** Share of tokens that the middle sees, in (0, 1]; 1 unless given. */
  keepRatio?: number;
  /** S, for a network that takes a context or words; of words 8 unless given. */
  contextLength?: number;
}

/** Cosines and sines that an embedder makes of a time or a guidance scale. */
const TIME_FEATURES = 256;

/**
 * Parameters of a network, mask token included, and model FLOPs of one call on clips of a size: two for each
 * multiplication in the matrix products that the network's definition has, attention's as `attentionFlops` counts them.
 * Backward has two products for each of a linear layer's. What an implementation does besides, or can leave out, is its
 * own affair: a label's row taken by a product, a block run again for its gradient, gradients of what is given. Throws as
 * `initVideoDiT`, `tokenGrid` and `countKept` do, and unless a context length is given just where the network takes a
 * context.
 */
export function countNetwork(given: VideoDiTConfig, clip: ClipSize, options: CountOptions = {}): NetworkCount {
  const config = validateConfig(given);
  const { batchSize: B = 1, keepRatio = 1, contextLength: S = config.words ? WORDS_STEP : 0 } = options;
  const { hiddenSize: E, depth } = config;
  const contextSize = contextWidth(config);
  if (S > 0 !== (contextSize !== undefined)) {
    const wayOut = contextSize ? 'give the length of the context' : 'leave it out, or set contextSize';
    throw new Error(`countNetwork: contextLength is ${S} and contextSize ${contextSize ?? 'absent'}; ${wayOut}`);
  }
  const grid = tokenGrid(config, clip);
  const L = grid[0] * grid[1] * grid[2];
  const K = countKept(L, keepRatio);
  const dense = countBlock(config, { B, L, S, grid });
  // Kept tokens are no grid.
  const sparse = keepRatio < 1 ? countBlock(config, { B, L: K, S }) : dense;
  const parts = {
    encoder: times(depth[0], dense),
    middle: sum(times(depth[1], sparse), product(B * K, E, E)),
    decoder: times(depth[2], dense),
    rest: countRest(config, { B, L, S }),
  };
  const whole = sum(...Object.values(parts));
  return { ...whole, weakFlops: whole.forwardFlops - parts.middle.forwardFlops, parts };
}

/** Clips, and tokens and vectors of each. */
type Lengths = { B: number; L: number; S: number };

function countBlock(config: FullVideoDiTConfig, { B, L, S, grid }: Lengths & { grid?: Grid }): PartCount {
  const { hiddenSize: E, numHeads: N, attention, attentionKinds, mlp } = config;
  const D = E / N;
  const heads = { batchSize: B, numHeads: N, length: L, headDim: D };
  const width = mlpWidth(config);
  const counts = [
    linear(B, E, 6 * E),
    linear(B * L, E, 3 * E),
    weights(2 * D), // the norms of q and k
    products(attentionFlops(attention, { ...heads, grid }, attentionKinds)),
    linear(B * L, E, E),
    linear(B * L, E, mlp === 'swiglu' ? 2 * width : width),
    linear(B * L, width, E),
  ];
  for (const { form } of Object.values(attentionKind(attention, attentionKinds).learns)) {
    counts.push(form === 'gate' ? linear(B * L, E, N) : weights(D * D));
  }
  if (contextWidth(config)) {
    counts.push(
      linear(B * L, E, E),
      linear(B * S, E, 2 * E),
      weights(2 * D),
      products(crossAttentionFlops({ ...heads, contextLength: S })),
      linear(B * L, E, E),
    );
  }
  return sum(...counts);
}

/** All but the blocks and the middle's half of the fusion. */
function countRest(config: FullVideoDiTConfig, { B, L, S }: Lengths): PartCount {
  const { hiddenSize: E, numHeads: N, depth, patchSize, channels, numClasses, words, guidanceInput } = config;
  const contextSize = contextWidth(config);
  const patchLength = patchSize[0] * patchSize[1] * patchSize[2] * channels;
  const counts = [
    linear(B * L, patchLength, E),
    linear(L, (2 * E) / N, E),
    times(guidanceInput ? 3 : 2, sum(linear(B, TIME_FEATURES, E), linear(B, E, E))),
    times(Math.min(depth[0], depth[2]), linear(B * L, 2 * E, E)),
    linear(B * L, E, E), // the encoder's half of the fusion
    weights(E), // the mask token,
    { ...product(1, E, E), parameters: 0 }, // which goes through the other half
    linear(B, E, 2 * E),
    linear(B * L, E, patchLength),
  ];
  if (numClasses > 0) counts.push(weights((numClasses + 1) * E));
  if (words) counts.push(weights((words.vocabulary.length + 1) * E), countWordEncoder(words, B, S));
  if (contextSize) counts.push(linear(B * S, contextSize, E), linear(B * S, E, E));
  return sum(...counts);
}

/** Its table is looked up in, which costs no product. */
const countWordEncoder = (
  { vocabulary, width: T, depth, numHeads: N }: WordEncoderConfig,
  B: number,
  S: number,
): PartCount =>
  sum(
    weights((vocabulary.length + 1) * T),
    times(
      depth,
      sum(
        linear(B * S, T, 3 * T),
        weights((2 * T) / N), // the norms of q and k
        products(crossAttentionFlops({ batchSize: B, numHeads: N, length: S, headDim: T / N, contextLength: S })),
        linear(B * S, T, T),
        linear(B * S, T, 4 * T),
        linear(B * S, 4 * T, T),
      ),
    ),
  );

const weights = (parameters: number): PartCount => ({ parameters, forwardFlops: 0, stepFlops: 0 });

const products = ({ forward, gradient }: Flops): PartCount => ({
  parameters: 0,
  forwardFlops: forward,
  stepFlops: gradient,
});

/** The product of rows with a weight [inSize, outSize]. */
function product(rows: number, inSize: number, outSize: number): PartCount {
  const forwardFlops = 2 * rows * inSize * outSize;
  return { parameters: inSize * outSize, forwardFlops, stepFlops: 3 * forwardFlops };
}

const linear = (rows: number, inSize: number, outSize: number): PartCount =>
  sum(product(rows, inSize, outSize), weights(outSize));

const sum = (...counts: PartCount[]): PartCount => ({
  parameters: counts.reduce((total, count) => total + count.parameters, 0),
  forwardFlops: counts.reduce((total, count) => total + count.forwardFlops, 0),
  stepFlops: counts.reduce((total, count) => total + count.stepFlops, 0),
});

const times = (n: number, count: PartCount): PartCount => sum(...Array.from({ length: n }, () => count));
