import { disposeTree, mapTree } from '@eflow/tensor';
import { expectNoLeak } from '@eflow/testing';
import * as tf from '@tensorflow/tfjs-core';
import { describe, expect, it } from 'vitest';
import { config, drawInput, drawKept, trainedParams } from '../fixtures/networks.ts';
import { bindVideoDiT, nullCondition, readCondition } from './bind.ts';
import type { VideoDiTCondition } from './input.ts';
import { videoDiT, weakVideoDiT } from './video-dit.ts';

const values = (x: tf.Tensor) => [...x.dataSync()];

describe('bindVideoDiT', () => {
  it('gives the two paths of the network with these parameters, which stay', () => {
    const params = trainedParams(config, 1);
    const { strong, weak } = bindVideoDiT(params, config);
    const input = { ...drawInput(2), keptTokens: drawKept(0.5) };
    tf.tidy(() => {
      expect(values(strong(input))).toEqual(values(videoDiT(params, config, input)));
      expect(values(weak(input))).toEqual(values(weakVideoDiT(params, config, input)));
      expect(values(strong(input))).not.toEqual(values(weak(input)));
    });
    expectNoLeak(() => strong(input));
    disposeTree([params, input]);
  });
});

describe('nullCondition', () => {
  const withContext = { ...config, contextSize: 3 };

  it('is labels of "no class" and a context of which nothing is seen', () => {
    tf.tidy(() => {
      const { condition } = drawInput(1, withContext);
      const { labels, context, contextMask, ...others } = nullCondition(withContext, condition);
      expect([labels!.dtype, values(labels!)]).toEqual(['int32', [5, 5, 5]]);
      expect([context!.shape, contextMask!.dtype]).toEqual([[3, 5, 3], 'bool']);
      expect(values(contextMask!)).toEqual(Array(15).fill(0));
      expect(others).toEqual({});
    });
  });

  it('makes a network that sees a condition predict what it predicts for a clip without one', () => {
    tf.tidy(() => {
      const params = trainedParams(withContext, 1);
      const input = drawInput(2, withContext);
      const predict = (condition: VideoDiTCondition) =>
        values(bindVideoDiT(params, withContext).strong({ ...input, condition }));
      const unmasked = { ...input.condition, contextMask: tf.onesLike(input.condition.contextMask!) };
      const nulls = predict(nullCondition(withContext, input.condition));
      expect(predict(nullCondition(withContext, unmasked))).toEqual(nulls); // nothing of the condition is left
      expect(predict(input.condition)).not.toEqual(nulls);
    });
  });

  it('is empty beside an empty condition, and refuses a context without a mask', () => {
    expect(nullCondition({}, {})).toEqual({});
    const context = tf.zeros([2, 4, 3]);
    expect(() => nullCondition(withContext, { context })).toThrow('nullCondition: the context has no contextMask');
    context.dispose();
  });
});

describe('a network that takes words', () => {
  const told = {
    ...config,
    numClasses: 0,
    words: { vocabulary: ['a', 'cat', 'dog', 'red'], width: 12, depth: 1, numHeads: 2 },
  };
  const captions = ['a red cat', 'dog', 'a red dog'];
  const { condition: _, ...input } = drawInput(2, told);
  const params = trainedParams(told, 1);
  const predict = (condition: VideoDiTCondition, at = input) => bindVideoDiT(params, told).strong({ ...at, condition });
  const largestDifference = (a: tf.Tensor, b: tf.Tensor) => tf.max(tf.abs(tf.sub(a, b))).dataSync()[0]!;

  it('shows what it is told: another word, another clip; the caption of one clip alone', () => {
    tf.tidy(() => {
      const before = predict(readCondition(told, { captions }));
      const changed = predict(readCondition(told, { captions: ['a red dog', 'dog', 'a red dog'] }));
      const shorter = predict(readCondition(told, { captions: ['a cat', 'dog', 'a red dog'] }));
      const first = (clips: tf.Tensor) => tf.slice(clips, [0, 0, 0, 0, 0], [1, -1, -1, -1, -1]);
      const others = (clips: tf.Tensor) => tf.slice(clips, [1, 0, 0, 0, 0], [2, -1, -1, -1, -1]);
      expect(largestDifference(first(changed), first(before))).toBeGreaterThan(1e-3);
      expect(largestDifference(first(shorter), first(before))).toBeGreaterThan(1e-3);
      expect(largestDifference(others(changed), others(before))).toBeLessThan(1e-5);
    });
  });

  it('hears the caption in every block without cross-attention, too: by what each word adds to the times', () => {
    tf.tidy(() => {
      const deaf = mapTree(params, (leaf, name) => (name.includes('crossAttn.proj') ? tf.zerosLike(leaf) : leaf));
      const say = (all: string[]) =>
        bindVideoDiT(deaf, told).strong({ ...input, condition: readCondition(told, { captions: all }) });
      expect(largestDifference(say(captions), say(captions.toReversed()))).toBeGreaterThan(1e-3);
    });
  });

  it('gives permuted clips for a permuted batch, and the same however long captions are padded', () => {
    tf.tidy(() => {
      const before = predict(readCondition(told, { captions }));
      const reversed = Object.fromEntries(
        Object.entries(input).map(([name, tensor]) => [name, tf.gather(tensor as tf.Tensor, [2, 1, 0])]),
      ) as typeof input;
      const permuted = predict(readCondition(told, { captions: captions.toReversed() }), reversed);
      expect(largestDifference(tf.gather(permuted, [2, 1, 0]), before)).toBeLessThan(1e-5);
      const { words, wordMask } = readCondition(told, { captions });
      const pad = (x: tf.Tensor) =>
        tf.pad(x, [
          [0, 0],
          [0, 8],
        ]);
      const padded = { words: pad(words!), wordMask: tf.cast(pad(tf.cast(wordMask!, 'int32')), 'bool') };
      expect(largestDifference(predict(padded), before)).toBeLessThan(1e-5);
    });
  });

  it('has "no condition" too: a mask that is all false', () => {
    tf.tidy(() => {
      const [one, other] = [captions, captions.toReversed()].map((asked) =>
        predict(nullCondition(told, readCondition(told, { captions: asked }))),
      );
      expect(largestDifference(one!, other!)).toBe(0);
      expect(largestDifference(one!, predict(readCondition(told, { captions })))).toBeGreaterThan(1e-3);
    });
  });

  it('refuses to go without, and others to take them', () => {
    expect(() => readCondition(told, { labels: [1] })).toThrow('the network takes words; give captions');
    expect(() => readCondition({}, { captions })).toThrow('the network takes no words; give labels');
    expect(() => readCondition(told, { captions: ['a cat', ' '] })).toThrow('caption 2 is empty');
    expect(() => predict({})).toThrow('the network takes words; give condition.words [3, S]');
    tf.tidy(() => {
      const condition = { labels: tf.zeros([3], 'int32'), ...readCondition(told, { captions }) };
      const others = bindVideoDiT(params, { ...config, words: undefined });
      expect(() => others.strong({ ...input, condition })).toThrow('the network takes no words; leave them out');
    });
  });
});
