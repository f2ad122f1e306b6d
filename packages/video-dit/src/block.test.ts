import { createStream, randomNormal } from '@eflow/tensor';
import { expectClose } from '@eflow/testing';
import * as tf from '@tensorflow/tfjs-core';
import { expect, it } from 'vitest';
import { config } from '../fixtures/networks.ts';
import { block, initBlock } from './block.ts';

it.each(['gelu', 'swiglu'] as const)('a new block with %s is the identity, with vectors and without', (mlp) => {
  const c = { ...config, mlp, contextSize: 3 };
  const x = randomNormal(createStream(1), [2, 5, 14]);
  const condition = randomNormal(createStream(2), [2, 14]);
  const rotary = { cos: tf.ones([5, 14]), sin: tf.zeros([5, 14]) };
  const context = { vectors: randomNormal(createStream(4), [2, 3, 14]) };
  const params = initBlock(createStream(3), c);
  expectClose(block(params, c, x, { condition, rotary, context }), x, { rtol: 0, atol: 0 });
  expectClose(block(params, c, x, { condition, rotary }), x, { rtol: 0, atol: 0 });
});

it('has about as many parameters with SwiGLU as with GELU', () => {
  const weights = (mlp: 'gelu' | 'swiglu') => {
    const { fc1, fc2 } = initBlock(createStream(1), { ...config, hiddenSize: 96, mlpRatio: 4, mlp }).mlp;
    return fc1.weight.size + fc2.weight.size;
  };
  expect(weights('gelu')).toBe(weights('swiglu'));
});
