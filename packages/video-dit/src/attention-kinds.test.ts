import {
  type AttentionInputs,
  attention,
  attentionFlops,
  attentionKind,
  attentionOracle,
  type OracleInputs,
} from '@eflow/attention';
import { countParameters, treeEntries, valueAndGrad } from '@eflow/tensor';
import { expectClose, expectGradients, expectNoLeak, fixtureNumbers } from '@eflow/testing';
import * as tf from '@tensorflow/tfjs-core';
import { describe, expect, it } from 'vitest';
import { kinds, spec } from '../fixtures/gated-mean.ts';
import { clip, config, drawInput, drawKept, trainedParams } from '../fixtures/networks.ts';
import { countNetwork } from './count.ts';
import { videoDiT } from './video-dit.ts';

// What a new kind of attention has to touch: its record, and the list that it is in.

const shape: [number, number, number, number] = [2, 3, 5, 6];
const [B, N, L] = shape;
const inputs = {
  q: fixtureNumbers('q', shape),
  k: fixtureNumbers('k', shape),
  v: fixtureNumbers('v', shape),
  level: tf.sigmoid(fixtureNumbers('level', [B, N, L, 1])),
};
const run = (at: AttentionInputs) => attention(spec, at, kinds);
const oracle = (at: OracleInputs) => attentionOracle(spec, shape, at, kinds);

describe('a kind that no package knows', () => {
  it('is run, and has its oracle', () => {
    const numbers = Object.entries(inputs).map(([name, x]) => [name, Array.from(x.dataSync())]);
    const plain = Object.fromEntries(numbers);
    expectClose(run(inputs), oracle(plain), { rtol: 1e-5, atol: 1e-6 });
    const { v, level, ...others } = inputs;
    expectGradients((v, level) => run(Object.assign({ v: v!, level }, others)), [v, level], {
      oracle: ([v, level]) => oracle({ ...plain, v, level }),
    });
  });

  it('needs what it learns, and has to be in the list', () => {
    const { q, k, v } = inputs;
    expect(() => run({ q, k, v })).toThrow("kind 'gatedMean' needs level [B, N, L, 1]");
    expect(() => attention(spec, inputs)).toThrow('unknown kind in {"kind":"gatedMean"}; expected softmax, ');
  });

  it('has its options checked and filled in', () => {
    const { schema } = attentionKind(spec, kinds);
    expect(schema.parse(spec)).toEqual({ kind: 'gatedMean', scale: 2 });
    expect(schema.safeParse({ ...spec, scales: 1 }).success).toBe(false);
  });

  describe('in a network', () => {
    const network = { ...config, attention: spec, attentionKinds: kinds };
    const params = trainedParams(network, 1);
    const at = { ...drawInput(2, network), keptTokens: drawKept(0.5) };

    it('learns under the names that it says, and its parameters and FLOPs are counted', () => {
      const names = treeEntries(params.middleBlocks[0]!.attn).map(([name]) => name);
      expect(names).toEqual(expect.arrayContaining(['level_of_mean.weight', 'level_of_mean.bias', 'qkv.weight']));
      const count = countNetwork(network, clip);
      expect(count.parameters).toBe(countParameters(params));
      const E = config.hiddenSize;
      const tokens = 3 * 2 * 2;
      const own = attentionFlops(spec, { numHeads: 1, length: tokens, headDim: E }, kinds).forward;
      expect(own).toBe(2 * tokens * E);
      // Linear attention has no layer for a gate; else the networks are the same.
      const linear = countNetwork({ ...network, attention: { kind: 'linear' } }, clip).forwardFlops;
      const ofLinear = attentionFlops({ kind: 'linear' }, { numHeads: 1, length: tokens, headDim: E }).forward;
      expect(count.forwardFlops - linear).toBe(4 * (own + 2 * tokens * E - ofLinear)); // four blocks of one head
    });

    it('predicts and has gradients of what it learns', () => {
      const predict = () => videoDiT(params, network, at);
      expect(predict().shape).toEqual(at.noisy.shape);
      expectNoLeak(predict);
      const { grads } = valueAndGrad(() => ({ loss: tf.sum(tf.square(predict())) as tf.Scalar }), params);
      for (const { attn } of [...grads.encoderBlocks, ...grads.middleBlocks, ...grads.decoderBlocks]) {
        expect(tf.norm(attn.level_of_mean!.weight).dataSync()[0]).toBeGreaterThan(0);
      }
    });
  });
});
