import { ATTENTION_KINDS, type AttentionSpec } from '@eflow/attention';
import { compile } from '@eflow/engine';
import { countParameters, createStream, disposeTree, type Tree, uploadStream, valueAndGrad } from '@eflow/tensor';
import { readWords } from '@eflow/text';
import * as tf from '@tensorflow/tfjs-core';
import { describe, expect, it, vi } from 'vitest';
import { type ClipSize, type VideoDiTConfig, validateConfig } from './config.ts';
import { type CountOptions, countNetwork } from './count.ts';
import { initVideoDiT } from './params.ts';
import { VIDEO_DIT_PRESETS } from './presets.ts';
import { drawKeptTokens } from './token-drop.ts';
import { videoDiT, weakVideoDiT } from './video-dit.ts';

vi.stubEnv('EFLOW_NATIVE', '0'); // products are seen in the composed form

const config: VideoDiTConfig = {
  channels: 3,
  patchSize: [2, 5, 7],
  hiddenSize: 44,
  depth: [1, 2, 1],
  numHeads: 2,
  mlpRatio: 1.75,
  attention: { kind: 'softmax' },
  numClasses: 5,
};
const words = { vocabulary: ['a', 'b', 'c'], width: 18, depth: 2, numHeads: 3 };
const clip: ClipSize = { numFrames: 4, height: 10, width: 21 }; // 2 x 2 x 3 tokens
const kinds: Record<string, VideoDiTConfig['attention']> = {
  softmax: { kind: 'softmax' },
  linear: { kind: 'linear', featureMap: 'relu' },
  'block-causal linear': { kind: 'linear', featureMap: 'elu1', causalBlockSize: 2 },
  // Windows as long as the sequence, since the composed form's tiles reach beyond others.
  local: { kind: 'local', windowSize: 11 },
  glga: { kind: 'glga', windowSize: 11, featureMap: 'relu' },
  sla: { kind: 'sla', blockSize: 4, variant: 'code' },
};

describe('parameters are the leaves of initVideoDiT', () => {
  const changes: [string, Partial<VideoDiTConfig>][] = [
    ...ATTENTION_KINDS.flatMap(({ examples }): AttentionSpec[] => examples).map(
      (attention): [string, Partial<VideoDiTConfig>] => [JSON.stringify(attention), { attention }],
    ),
    ['SwiGLU', { mlp: 'swiglu' }],
    ['a context', { contextSize: 7 }],
    ['words', { words, numClasses: 0 }],
    ['no classes', { numClasses: 0 }],
    ['the guidance scale as an input', { guidanceInput: true }],
    ['a trained mask token', { maskToken: 'trained' }],
    ['more encoder than decoder blocks', { depth: [3, 1, 2] }],
    ['more decoder than encoder blocks', { depth: [2, 1, 3] }],
  ];

  it.each(changes)('%s', (_name, change) => {
    const network = { ...config, ...change };
    const params = initVideoDiT(createStream(1), network);
    const contextLength = network.contextSize && 1;
    expect(countNetwork(network, clip, { contextLength }).parameters).toBe(countParameters(params));
    disposeTree(params);
  });

  it.each(Object.entries(VIDEO_DIT_PRESETS))('%s, traced, as it need not be in memory for that', (_name, preset) => {
    const network = { ...preset, channels: 4, numClasses: 101 };
    let parameters = 0;
    const init = compile((stream: { seed: tf.Tensor1D }) => {
      const params = initVideoDiT(stream, network);
      parameters = countParameters(params);
      return params;
    });
    init.describe(uploadStream(createStream(1)));
    init.dispose();
    expect(countNetwork(network, { numFrames: 1, height: 2, width: 2 }).parameters).toBe(parameters);
  });
});

/** FLOPs of the products in the graphs that a forward pass, the weak path and a gradient are traced to. */
function trace(network: VideoDiTConfig, { batchSize = 1, keepRatio = 1, contextLength: S = 0 }: CountOptions) {
  const told = network.words && readWords(network.words.vocabulary, Array(batchSize).fill('a'));
  const grid = [2, 2, 3] as const;
  const args = {
    params: initVideoDiT(createStream(1), network),
    input: {
      noisy: tf.zeros([batchSize, clip.numFrames, clip.height, clip.width, network.channels]),
      timestep: tf.fill([batchSize], 0.5),
      targetTimestep: tf.zeros([batchSize]),
      ...(network.guidanceInput && { guidanceScale: tf.ones([batchSize]) }),
      condition: {
        labels: tf.zeros([batchSize], 'int32'),
        ...(network.contextSize && { context: tf.zeros([batchSize, S, network.contextSize]) }),
        ...(told && { words: told.words, wordMask: told.mask }),
      },
      ...(keepRatio < 1 && { keptTokens: drawKeptTokens(createStream(1), { batchSize, grid, keepRatio }) }),
    },
  };
  const count = (fn: (at: typeof args) => Tree) => {
    const compiled = compile(fn);
    const { matmulFlops } = compiled.describe(args)!;
    compiled.dispose();
    return matmulFlops;
  };
  const flops = {
    forwardFlops: count(({ params, input }) => videoDiT(params, network, input)),
    weakFlops: count(({ params, input }) => weakVideoDiT(params, network, input)),
    stepFlops: count(
      ({ params, input }) =>
        valueAndGrad(() => ({ loss: tf.sum(videoDiT(params, network, input)) as tf.Scalar }), params).grads,
    ),
  };
  disposeTree(args);
  return flops;
}

/** What the graphs have besides the products of the definition; less than nothing for what they leave out. */
function ownAffair(config: VideoDiTConfig, { batchSize: B = 1, keepRatio = 1, ...options }: CountOptions) {
  const {
    hiddenSize: E,
    numHeads: N,
    depth,
    numClasses,
    attention,
    maskToken,
    guidanceInput,
    contextSize = 0,
    words,
  } = validateConfig(config);
  const S = words ? 8 : (options.contextLength ?? 0);
  const [L, K, D] = [12, Math.round(12 * keepRatio), E / N];
  const product = (m: number, k: number, n: number) => 2 * m * k * n;
  const perBlock = (flops: (length: number) => number) => {
    const dense = (depth[0] + depth[2]) * flops(L);
    return { dense, all: dense + depth[1] * flops(K) };
  };
  // The rows of a class and of words are taken by a product.
  const label =
    (numClasses > 0 ? product(B, numClasses + 1, E) : 0) +
    (words ? product(B * S, words.vocabulary.length + 1, words.width + E) : 0);
  // SLA orders blocks of 4 by a product of their means, which has no gradient.
  const order = perBlock((length) => (attention.kind === 'sla' ? product(B * N * (length / 4), D, length / 4) : 0));
  // What is given needs no gradient: patches, positions, times, scales, vectors, a frozen mask token, and one that nobody takes.
  const given =
    product(B * L, 210, E) +
    product(L, 2 * D, E) +
    (guidanceInput ? 3 : 2) * product(B, 256, E) +
    product(B * S, contextSize, E) +
    (keepRatio < 1 ? (maskToken === 'trained' ? 0 : 1) : 2) * product(1, E, E);
  // Scores are kept for the gradient, which counts them once more.
  const keys = (length: number) => (attention.kind === 'linear' ? 0 : attention.kind === 'sla' ? 4 : length);
  const scores = perBlock((length) => B * N * product(length, D, keys(length) + S));
  const wordScores = words ? words.depth * B * product(S, words.width, S) : 0;
  return {
    forwardFlops: label + order.all,
    weakFlops: label + order.dense,
    stepFlops: 2 * label + order.all - given - scores.all - wordScores,
  };
}

describe('FLOPs are those of a traced graph', () => {
  const cases: [string, Partial<VideoDiTConfig>, CountOptions][] = [
    ...Object.entries(kinds).flatMap(([name, attention]): [string, Partial<VideoDiTConfig>, CountOptions][] => [
      [name, { attention }, { batchSize: 3 }],
      [`${name}, tokens dropped`, { attention }, { batchSize: 3, keepRatio: 1 / 3 }],
    ]),
    ['SwiGLU', { mlp: 'swiglu' }, { batchSize: 2, keepRatio: 0.5 }],
    ['a context', { contextSize: 7 }, { batchSize: 2, contextLength: 11 }],
    ['a context, tokens dropped', { contextSize: 7 }, { batchSize: 2, contextLength: 11, keepRatio: 0.25 }],
    ['words', { words, numClasses: 0 }, { batchSize: 2, keepRatio: 0.5 }],
    ['no classes', { numClasses: 0 }, {}],
    ['the guidance scale as an input', { guidanceInput: true }, { batchSize: 3 }],
    ['a trained mask token', { maskToken: 'trained' }, { keepRatio: 0.5 }],
    ['more encoder than decoder blocks', { depth: [3, 1, 2] }, {}],
    ['more decoder than encoder blocks', { depth: [2, 1, 3] }, { keepRatio: 0.5 }],
  ];

  it.each(cases)('%s', (_name, change, options) => {
    const network = { ...config, ...change };
    const count = countNetwork(network, clip, options);
    const own = ownAffair(network, options);
    expect(trace(network, options)).toEqual({
      forwardFlops: count.forwardFlops + own.forwardFlops,
      weakFlops: count.weakFlops + own.weakFlops,
      stepFlops: count.stepFlops + own.stepFlops,
    });
  });
});

describe('countNetwork', () => {
  const network: VideoDiTConfig = { ...config, attention: kinds.glga! };

  it('is the sum of its parts, of which the weak path lacks the middle', () => {
    const { parts, weakFlops, ...whole } = countNetwork(network, clip, { batchSize: 2, keepRatio: 0.5 });
    for (const key of ['parameters', 'forwardFlops', 'stepFlops'] as const) {
      expect(whole[key]).toBe(Object.values(parts).reduce((sum, part) => sum + part[key], 0));
    }
    expect(weakFlops).toBe(whole.forwardFlops - parts.middle.forwardFlops);
  });

  it('takes tokens from the middle alone where they are dropped', () => {
    const dense = countNetwork(network, clip);
    const sparse = countNetwork(network, clip, { keepRatio: 0.25 });
    expect(countNetwork(network, clip, { keepRatio: 1 })).toEqual(dense);
    expect(sparse.parameters).toBe(dense.parameters);
    expect(sparse.parts.middle.stepFlops).toBeLessThan(dense.parts.middle.stepFlops / 3);
    for (const part of ['encoder', 'decoder', 'rest'] as const) expect(sparse.parts[part]).toEqual(dense.parts[part]);
  });

  it('counts a window in frames, rows and columns on the grid of all tokens, and refuses it without', () => {
    const local: VideoDiTConfig = { ...config, attention: { kind: 'local', windowSize: [1, 1, 2] } };
    expect(countNetwork(local, clip)).toEqual(countNetwork(config, clip)); // spans 2 x 2 x 3 tokens
    expect(() => countNetwork(local, clip, { keepRatio: 0.5 })).toThrow('it needs the grid');
  });

  it.each<[Partial<VideoDiTConfig>, Partial<ClipSize>, CountOptions, string]>([
    [{ numHeads: 5 }, {}, {}, 'hiddenSize 44 is not a multiple of numHeads 5'],
    [{}, { height: 11 }, {}, 'height 11 is not a multiple of its patch, 5'],
    [{}, {}, { keepRatio: 0 }, 'keepRatio is 0'],
    [{}, {}, { batchSize: 1.5 }, 'batchSize is 1.5'],
    [{ contextSize: 7 }, {}, {}, 'contextLength is 0 and contextSize 7; give the length of the context'],
    [{}, {}, { contextLength: 5 }, 'contextLength is 5 and contextSize absent; leave it out, or set contextSize'],
  ])('refuses %j on %j with %j', (change, size, options, message) => {
    expect(() => countNetwork({ ...config, ...change }, { ...clip, ...size }, options)).toThrow(message);
  });
});
