import { createStream, disposeTree, treeEntries } from '@eflow/tensor';
import { expect, it } from 'vitest';
import { hiddenMatrices, initVideoDiT, type VideoDiTConfig } from './index.ts';

const config: VideoDiTConfig = {
  channels: 1,
  patchSize: [1, 2, 2],
  hiddenSize: 12,
  depth: [1, 1, 1],
  numHeads: 2,
  mlpRatio: 2,
  numClasses: 3,
  contextSize: 5,
};

/** The leaves of a network that hold matrices: their shapes and how they are cut. */
function matricesOf(config: VideoDiTConfig) {
  const params = initVideoDiT(createStream(1), config);
  const matrices = hiddenMatrices(config);
  const found = treeEntries(params).flatMap(([name, leaf]) => {
    const cut = matrices(name);
    return cut ? [[name, leaf.shape, cut]] : [];
  });
  disposeTree(params);
  return Object.fromEntries(found.map(([name, ...rest]) => [name, rest]));
}

const ofABlock = (block: string) => ({
  [`${block}.attn.qkv.weight`]: [
    [12, 36],
    [1, 3],
  ],
  [`${block}.attn.proj.weight`]: [
    [12, 12],
    [1, 1],
  ],
  [`${block}.crossAttn.q.weight`]: [
    [12, 12],
    [1, 1],
  ],
  [`${block}.crossAttn.kv.weight`]: [
    [12, 24],
    [1, 2],
  ],
  [`${block}.crossAttn.proj.weight`]: [
    [12, 12],
    [1, 1],
  ],
  [`${block}.mlp.fc1.weight`]: [
    [12, 24],
    [1, 1],
  ],
  [`${block}.mlp.fc2.weight`]: [
    [24, 12],
    [1, 1],
  ],
});

it('are the weights of the blocks and of what joins them, whatever the attention, each cut into its matrices', () => {
  const expected = {
    ...ofABlock('encoderBlocks.0'),
    ...ofABlock('middleBlocks.0'),
    ...ofABlock('decoderBlocks.0'),
    'skips.0.weight': [
      [24, 12],
      [2, 1],
    ],
    'fusion.weight': [
      [24, 12],
      [2, 1],
    ],
  };
  expect(matricesOf(config)).toEqual(expected);
  expect(matricesOf({ ...config, attention: { kind: 'sla' } })).toEqual(expected);
});

it('are two in the first layer of a SwiGLU', () => {
  const found = matricesOf({ ...config, mlp: 'swiglu', mlpRatio: 3 });
  expect(found['middleBlocks.0.mlp.fc1.weight']).toEqual([
    [12, 48],
    [1, 2],
  ]);
  expect(found['middleBlocks.0.mlp.fc2.weight']).toEqual([
    [24, 12],
    [1, 1],
  ]);
});

it('are those of the word encoder, too, whose MLP is never SwiGLU', () => {
  const words = { vocabulary: ['a', 'b'], width: 12, depth: 1, numHeads: 2 };
  const ofWords = Object.entries(matricesOf({ ...config, contextSize: undefined, words, mlp: 'swiglu' })).filter(
    ([name]) => name.startsWith('wordEncoder'),
  );
  expect(Object.fromEntries(ofWords)).toEqual({
    'wordEncoder.blocks.0.attn.qkv.weight': [
      [12, 36],
      [1, 3],
    ],
    'wordEncoder.blocks.0.attn.proj.weight': [
      [12, 12],
      [1, 1],
    ],
    'wordEncoder.blocks.0.mlp.fc1.weight': [
      [12, 48],
      [1, 1],
    ],
    'wordEncoder.blocks.0.mlp.fc2.weight': [
      [48, 12],
      [1, 1],
    ],
  });
});
