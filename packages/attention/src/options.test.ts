import { createStream, randomNormal, splitStream } from '@eflow/tensor';
import * as tf from '@tensorflow/tfjs-core';
import { expect, it } from 'vitest';
import {
  ATTENTION_KINDS,
  type AttentionSpec,
  attention,
  attentionFlops,
  attentionSchema,
  gatedLocalGlobalAttention,
  linearAttention,
  slidingWindowAttention,
  sparseLinearAttention,
} from './index.ts';

const draw = (name: string) => randomNormal(splitStream(createStream(1), name), [1, 2, 12, 6]);
const inputs = { q: draw('q'), k: draw('k'), v: draw('v'), gate: tf.fill([1, 2, 12, 1], 0.5), proj: tf.zeros([6, 6]) };

it.each(ATTENTION_KINDS)('$kind alone is the kind with its defaults written out', ({ kind }) => {
  tf.tidy(() => {
    const spec = { kind } as AttentionSpec;
    const full = attentionSchema.parse(spec);
    expect([...attention(spec, inputs).dataSync()]).toEqual([...attention(full, inputs).dataSync()]);
    const sizes = { batchSize: 1, numHeads: 2, length: 300, headDim: 6 };
    expect(attentionFlops(spec, sizes)).toEqual(attentionFlops(full, sizes));
  });
});

it('the functions take the same defaults', () => {
  tf.tidy(() => {
    const values = (x: tf.Tensor) => [...x.dataSync()];
    expect(values(linearAttention(inputs))).toEqual(values(attention({ kind: 'linear' }, inputs)));
    expect(values(slidingWindowAttention(inputs))).toEqual(values(attention({ kind: 'local' }, inputs)));
    expect(values(gatedLocalGlobalAttention(inputs))).toEqual(values(attention({ kind: 'glga' }, inputs)));
    expect(values(sparseLinearAttention(inputs))).toEqual(values(attention({ kind: 'sla' }, inputs)));
  });
});

it('a misspelt option is an error of the compiler, and names the nearest at run time', () => {
  // @ts-expect-error: no option of it
  expect(() => attention({ kind: 'glga', windowsize: 4 }, inputs)).toThrow(
    "attention: unknown option 'windowsize'; did you mean 'windowSize'? Options: ",
  );
  // @ts-expect-error: an option of another kind
  expect(() => attention({ kind: 'softmax', windowSize: 4 }, inputs)).toThrow(
    "attention: unknown option 'windowSize'; there are none",
  );
  const sizes = { batchSize: 1, numHeads: 2, length: 12, headDim: 6 };
  // @ts-expect-error: no option of it
  expect(() => attentionFlops({ kind: 'linear', featuremap: 'elu1' }, sizes)).toThrow(
    "attentionFlops: unknown option 'featuremap'; did you mean 'featureMap'?",
  );
  // @ts-expect-error: no option of it
  expect(() => gatedLocalGlobalAttention(inputs, { window: 4 })).toThrow(
    "gatedLocalGlobalAttention: unknown option 'window'; did you mean 'windowSize'?",
  );
  // @ts-expect-error: no option of it
  expect(() => linearAttention(inputs, { causalBlocksize: 4 })).toThrow("did you mean 'causalBlockSize'");
  // @ts-expect-error: no option of it
  expect(() => sparseLinearAttention(inputs, { topratio: 0.1 })).toThrow("did you mean 'topRatio'");
});
