import { disposeTree } from '@eflow/tensor';
import { expectNoLeak } from '@eflow/testing';
import * as tf from '@tensorflow/tfjs-core';
import { describe, expect, it } from 'vitest';
import { config, drawInput, drawKept, trainedParams } from '../fixtures/networks.ts';
import { bindVideoDiT, nullCondition } from './bind.ts';
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
