import { createStream } from '@eflow/tensor';
import * as tf from '@tensorflow/tfjs-core';
import { describe, expect, it } from 'vitest';
import { config, drawInput, type SizedConfig } from '../fixtures/networks.ts';
import { assertLabels, type VideoDiTCondition, type VideoDiTInput } from './input.ts';
import { initVideoDiT } from './params.ts';
import { videoDiT } from './video-dit.ts';

describe('a call', () => {
  const withContext = { ...config, contextSize: 3 };
  const condition = (parts: VideoDiTCondition) => ({ condition: { labels: tf.zeros([3], 'int32'), ...parts } });

  it.each<[string, SizedConfig, Partial<VideoDiTInput>, string]>([
    ['times of another batch', config, { timestep: tf.zeros([2]) }, 'expected timestep [3], got [2]'],
    ['other channels', config, { noisy: tf.zeros([3, 3, 4, 10, 1]) }, 'expected clips [B, F, H, W, 2]'],
    ['frames that are no patch', { ...config, patchSize: [2, 2, 5] }, {}, 'numFrames 3 is not a multiple of its patch'],
    ['less frames than a patch', { ...config, patchSize: [4, 2, 5] }, {}, 'numFrames 3 is less than a patch, 4'],
    ['no labels', config, { condition: {} }, 'the network has 5 classes; give condition.labels [3]'],
    ['labels of another batch', config, condition({ labels: tf.zeros([2]) }), 'expected condition.labels [3], got [2]'],
    [
      'a lone tensor',
      config,
      { condition: tf.zeros([3]) as object },
      'condition is a tensor; expected no keys but labels',
    ],
    [
      'another key',
      config,
      condition({ text: tf.zeros([3]) } as object),
      'condition is { labels, text }; expected no keys',
    ],
    ['kept tokens of another batch', config, { keptTokens: tf.zeros([2, 3], 'int32') }, 'expected keptTokens [3, K]'],
    ['more tokens than there are', config, { keptTokens: tf.zeros([3, 13], 'int32') }, 'the clips have 12 tokens'],
    ['paths of another batch', config, { pathDropped: tf.zeros([2], 'bool') }, 'expected pathDropped [3], got [2]'],
    [
      'a guidance scale to a network without',
      config,
      { guidanceScale: tf.ones([3]) },
      'the network takes no guidance scale; leave it out, or train a network with guidanceInput: true and a range of scales',
    ],
    [
      'no guidance scale',
      { ...config, guidanceInput: true },
      { guidanceScale: undefined },
      'the network takes a guidance scale; give guidanceScale [3], or a sampler guidance: { scale: 2 }',
    ],
    [
      'guidance scales of another batch',
      { ...config, guidanceInput: true },
      { guidanceScale: tf.ones([2]) },
      'expected guidanceScale [3], got [2]',
    ],
    [
      'a context to a network without',
      config,
      condition({ context: tf.zeros([3, 2, 4]) }),
      'the network takes no context',
    ],
    ['no context', withContext, condition({}), 'the network takes a context; give condition.context [3, S, 3]'],
    [
      'other vectors',
      withContext,
      condition({ context: tf.zeros([3, 2, 4]) }),
      'expected condition.context [3, S, 3], got [3, 2, 4]',
    ],
    [
      'another mask',
      withContext,
      condition({ context: tf.zeros([3, 5, 3]), contextMask: tf.zeros([3, 2], 'bool') }),
      'expected condition.contextMask [3, 5], got [3, 2]',
    ],
  ])('refuses %s', (_, c, change, message) => {
    const params = initVideoDiT(createStream(1), c);
    expect(() => videoDiT(params, c, { ...drawInput(1, c), ...change })).toThrow(message);
  });

  it('needs a network whose sizes go together', () => {
    expect(() => initVideoDiT(createStream(1), { ...config, numHeads: 5 })).toThrow('not a multiple of numHeads 5');
  });
});

describe('assertLabels', () => {
  it('takes classes and "no class", and nothing else', () => {
    assertLabels([0, 4, 5], 5);
    expect(() => assertLabels([0, 6], 5)).toThrow('label 1 is 6; expected an integer from 0 to 4');
    expect(() => assertLabels([0.5], 5)).toThrow('label 0 is 0.5');
  });
});
