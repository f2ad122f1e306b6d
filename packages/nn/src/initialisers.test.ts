import { createStream } from '@eflow/tensor';
import { expectClose } from '@eflow/testing';
import type * as tf from '@tensorflow/tfjs-core';
import { describe, expect, it } from 'vitest';
import { initLabelEmbedder, initScalarEmbedder } from './embedders.ts';
import { normal, xavierUniform, zeros } from './initialisers.ts';
import { initLinear } from './linear.ts';

const stream = createStream(5);
const embedder = initScalarEmbedder(stream, 300);
const { table } = initLabelEmbedder(stream, 199, 300);
/** Standard deviation of a uniform on +-sqrt(6 / (fanIn + fanOut)): that limit over sqrt(3). */
const xavier = (fanIn: number, fanOut: number) => Math.sqrt(2 / (fanIn + fanOut));

describe('the start of', () => {
  it.each<[string, tf.Tensor, number]>([
    ['xavierUniform', xavierUniform(stream, [200, 300]), xavier(200, 300)],
    ['normal', normal(0.3)(stream, [200, 300]), 0.3],
    ['zeros', zeros(stream, [3, 2]), 0],
    ['a linear layer', initLinear(stream, 200, 300).weight, xavier(200, 300)],
    ['a linear layer that is told how', initLinear(stream, 200, 300, normal(0.5)).weight, 0.5],
    ["a linear layer's bias", initLinear(stream, 200, 300).bias, 0],
    ["a scalar embedder's first layer", embedder.fc1.weight, xavier(256, 300)],
    ["a scalar embedder's first bias", embedder.fc1.bias, 0],
    ["a scalar embedder's second layer", embedder.fc2.weight, 0.02],
    ["a scalar embedder's second bias", embedder.fc2.bias, 0],
    ["a label embedder's table", table, 0.02],
  ])('%s has mean 0 and its standard deviation', (_, weights, std) => {
    const values = Array.from(weights.dataSync());
    const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
    const variance = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length;
    // Five standard errors at 60,000 draws: of a mean, and of a normal's standard deviation.
    expect(Math.abs(mean)).toBeLessThanOrEqual(5 * std * Math.sqrt(1 / 60_000));
    expectClose([Math.sqrt(variance)], [std], { rtol: 5 * Math.sqrt(1 / 120_000), atol: 0 });
  });

  it('xavierUniform is within its limit, and repeats', () => {
    const limit = Math.sqrt(6 / (200 + 300));
    const values = xavierUniform(stream, [200, 300]).dataSync();
    expect(Math.max(...values.map(Math.abs))).toBeLessThanOrEqual(limit);
    expectClose(xavierUniform(createStream(5), [200, 300]), values, { rtol: 0, atol: 0 });
  });
});
