import type { AttentionSpec } from '@eflow/attention';
import { createStream, mapTree, ravel, treeEntries, valueAndGrad } from '@eflow/tensor';
import { expectClose, expectGradients, expectNoLeak } from '@eflow/testing';
import * as tf from '@tensorflow/tfjs-core';
import { describe, expect, it } from 'vitest';
import { batchSize, clip, config, drawInput, drawKept, type SizedConfig, trainedParams } from '../fixtures/networks.ts';
import type { VideoDiTCondition, VideoDiTInput } from './input.ts';
import { initVideoDiT, type VideoDiTParams } from './params.ts';
import { patchify, unpatchify } from './patchify.ts';
import { videoDiT, weakVideoDiT } from './video-dit.ts';

const attentions: AttentionSpec[] = [
  { kind: 'softmax' },
  { kind: 'linear', featureMap: 'elu1' },
  { kind: 'local', windowSize: 2 },
  // Which blocks are on top jumps; here all are.
  { kind: 'sla', blockSize: 2, topRatio: 1, variant: 'code' },
  // ReLU's kink makes differences jump; its gradient is checked where the kernel is.
  { kind: 'glga', windowSize: 2, featureMap: 'elu1' },
];

const keptTokens = drawKept(0.5);
const pathDropped = tf.tensor1d([false, true, false], 'bool');
const close = { rtol: 1e-5, atol: 1e-5 };
const norm = (x: tf.Tensor) => tf.norm(x).dataSync()[0]!;

/** Differences along random directions of all parameters at once; torch-fixtures.test.ts has each parameter's gradient. */
function expectParameterGradients(c: SizedConfig): void {
  const { vector, unravel } = ravel(trainedParams(c, 1));
  const input = { ...drawInput(2, c), keptTokens, pathDropped };
  expectGradients((at) => videoDiT(unravel(at as tf.Tensor1D), c, input), [vector], { epsilon: 3e-3 });
}

describe.each(attentions)('VideoDiT with $kind attention', (attention) => {
  const c = { ...config, attention };

  it('has the gradient of every parameter, with tokens and paths dropped', () => {
    expectParameterGradients({ ...c, maskToken: 'trained' });
  });

  it('predicts 0 before training and leaves no tensors behind', () => {
    const params = initVideoDiT(createStream(3), c);
    const at = drawInput(4);
    const output = videoDiT(params, c, { ...at, keptTokens, pathDropped });
    expect(output.shape).toEqual(at.noisy.shape);
    expect(Math.max(...output.dataSync().map(Math.abs))).toBe(0);
    expectNoLeak(() => videoDiT(params, c, { ...at, keptTokens, pathDropped }));
    expectNoLeak(() => weakVideoDiT(params, c, at));
    expectNoLeak(() =>
      tf.grad((noisy: tf.Tensor) => videoDiT(params, c, { ...at, noisy, keptTokens, pathDropped }))(at.noisy),
    );
  });
});

it('has the gradient of every parameter with SwiGLU, vectors under a mask and the guidance scale as an input', () => {
  expectParameterGradients({
    ...config,
    mlp: 'swiglu',
    contextSize: 3,
    maskToken: 'trained',
    guidanceInput: true,
    attention: attentions[0]!,
  });
});

describe('clips of any size', () => {
  const params = trainedParams(config, 11);

  it.each([
    { numFrames: 1, height: 2, width: 5 },
    { numFrames: 1, height: 6, width: 20 },
    { numFrames: 7, height: 2, width: 15 },
  ])('one network takes %j', (size) => {
    const at = drawInput(12, config, size);
    expect(videoDiT(params, config, at).shape).toEqual(at.noisy.shape);
  });

  it('a token knows where it is: swapping two frames does not only swap the prediction', () => {
    const at = drawInput(12);
    const swapped = videoDiT(params, config, { ...at, noisy: tf.reverse(at.noisy, 1) });
    expect(norm(tf.sub(tf.reverse(swapped, 1), videoDiT(params, config, at)))).toBeGreaterThan(0.1);
  });
});

describe('a window of frames, rows and columns', () => {
  const within = (windowSize: [number, number, number]) => ({
    ...config,
    attention: { kind: 'local', windowSize } as const,
  });
  const params = trainedParams(within([1, 0, 1]), 8);
  const at = drawInput(9);

  it('that spans the grid is full attention, and a smaller one is not', () => {
    const full = videoDiT(params, { ...config, attention: { kind: 'softmax' } }, at);
    expectClose(videoDiT(params, within([2, 1, 1]), at), full, { rtol: 1e-4, atol: 1e-5 });
    expect(() => expectClose(videoDiT(params, within([1, 1, 1]), at), full, { rtol: 1e-2, atol: 1e-3 })).toThrow();
  });

  it('needs all tokens', () => {
    expect(() => videoDiT(params, within([1, 0, 1]), { ...at, keptTokens })).toThrow('it needs the grid');
  });
});

describe('token drop and path drop', () => {
  const params = trainedParams(config, 5);
  const at = drawInput(6);
  const strong = videoDiT(params, config, at);

  it('keeping all tokens is the network without drop', () => {
    expectClose(videoDiT(params, config, { ...at, keptTokens: drawKept(1) }), strong, close);
  });

  it('a middle that drops every path is the weak path, and only dropped clips change', () => {
    const weak = weakVideoDiT(params, config, at);
    const all = tf.onesLike(pathDropped);
    expectClose(videoDiT(params, config, { ...at, pathDropped: all }), weak, close);
    expectClose(videoDiT(params, config, { ...at, keptTokens, pathDropped: all }), weak, close);
    const mixed = tf.split(videoDiT(params, config, { ...at, pathDropped }), batchSize);
    expectClose(mixed[0]!, tf.split(strong, batchSize)[0]!, close);
    expectClose(mixed[1]!, tf.split(weak, batchSize)[1]!, close);
    expect(norm(tf.sub(mixed[1]!, tf.split(strong, batchSize)[1]!))).toBeGreaterThan(0.1);
  });

  it('the middle does not see dropped tokens: permuting them permutes their predictions and changes no other', () => {
    // Encoder and decoder that look at one token at a time, wherever it is, so that the middle alone joins tokens.
    const tokenwise = mapTree(params, (leaf, name) =>
      /^(en|de)coderBlocks\.\d+\.attn\.proj|^positionEmbed/.test(name) ? tf.zerosLike(leaf) : leaf,
    );
    const tokens = patchify(config, at.noisy);
    const kept = keptTokens.arraySync() as number[][];
    const orders = kept.map((row) => {
      const length = tokens.shape[1]!;
      const dropped = Array.from({ length }, (_, l) => l).filter((l) => !row.includes(l));
      const turned = dropped.map((_, i) => dropped[(i + 1) % dropped.length]!);
      return Array.from({ length }, (_, l) => (dropped.includes(l) ? turned[dropped.indexOf(l)]! : l));
    });
    const permute = (x: tf.Tensor) =>
      tf.stack(tf.unstack(x).map((clipTokens, b) => tf.gather(clipTokens, tf.tensor1d(orders[b]!, 'int32'))));
    const predict = (x: tf.Tensor) =>
      patchify(config, videoDiT(tokenwise, config, { ...at, noisy: unpatchify(config, x, clip), keptTokens }));
    const before = predict(tokens);
    expectClose(predict(permute(tokens)), permute(before), close);
    // Which would not hold if any token that it moved had been kept.
    const others = tf.reverse(tokens, 1);
    expect(norm(tf.sub(tf.reverse(predict(others), 1), before))).toBeGreaterThan(0.1);
  });

  it('examples of a batch do not see one another', () => {
    const whole = videoDiT(params, config, { ...at, keptTokens, pathDropped });
    const second = (x: tf.Tensor) => tf.slice(x, [1], [1]);
    const alone = videoDiT(params, config, {
      noisy: second(at.noisy),
      timestep: second(at.timestep),
      targetTimestep: second(at.targetTimestep),
      condition: { labels: second(at.condition.labels) },
      keptTokens: second(keptTokens),
      pathDropped: second(pathDropped),
    });
    expectClose(alone, second(whole), close);
  });

  it('the middle has no gradient from a clip whose path is dropped, and a frozen mask token never has one', () => {
    const gradients = (c: SizedConfig, inputs: VideoDiTInput) =>
      valueAndGrad(() => ({ loss: tf.sum(tf.square(videoDiT(params, c, inputs))) as tf.Scalar }), params).grads;
    const { middleBlocks, encoderBlocks } = gradients(config, { ...at, pathDropped: tf.onesLike(pathDropped) });
    expect(norm(middleBlocks[0]!.attn.qkv.weight)).toBe(0);
    expect(norm(encoderBlocks[0]!.attn.qkv.weight)).toBeGreaterThan(0);
    const dropped = { ...at, keptTokens, pathDropped };
    expect(norm(gradients(config, dropped).maskToken)).toBe(0);
    expect(norm(gradients({ ...config, maskToken: 'trained' }, dropped).maskToken)).toBeGreaterThan(0);
  });
});

describe('conditions', () => {
  const differs = (params: VideoDiTParams, c: SizedConfig, at: VideoDiTInput, change: Partial<VideoDiTInput>) =>
    norm(tf.sub(videoDiT(params, c, { ...at, ...change }), videoDiT(params, c, at)));

  it('the class, t and t - s change the prediction', () => {
    const params = trainedParams(config, 5);
    const at = drawInput(6);
    const later = { timestep: tf.add(at.timestep, 0.3), targetTimestep: tf.add(at.targetTimestep, 0.3) };
    expect(differs(params, config, at, { condition: { labels: tf.tensor1d([1, 1, 1], 'int32') } })).toBeGreaterThan(
      0.01,
    );
    expect(differs(params, config, at, later)).toBeGreaterThan(0.01);
    expect(differs(params, config, at, { targetTimestep: at.timestep })).toBeGreaterThan(0.01);
  });

  it('a network of no classes leaves labels aside', () => {
    const c = { ...config, numClasses: 0 };
    const params = trainedParams(c, 5);
    expect(params.labelEmbedder).toBeUndefined();
    const at = { ...drawInput(6, c), condition: {} };
    expect(differs(params, c, at, { condition: { labels: tf.tensor1d([1, 1, 1], 'int32') } })).toBe(0);
  });

  it('the guidance scale changes the prediction of its own clip, on the weak path, too', () => {
    const c = { ...config, guidanceInput: true };
    const params = trainedParams(c, 5);
    const at = drawInput(6, c);
    const higher = { ...at, guidanceScale: tf.mul(at.guidanceScale!, tf.tensor1d([1, 2, 1])) };
    for (const network of [videoDiT, weakVideoDiT]) {
      const [before, after] = [at, higher].map((input) => tf.split(network(params, c, input), batchSize));
      expect(before!.map((x, i) => norm(tf.sub(x, after![i]!)) > 0.01)).toEqual([false, true, false]);
    }
    expectNoLeak(() => videoDiT(params, c, at));
  });

  it('a network without the guidance scale as an input has the parameters that it had', () => {
    const [plain, guided] = [config, { ...config, guidanceInput: true }].map((c) =>
      treeEntries(initVideoDiT(createStream(5), c)),
    );
    const others = guided!.filter(([name]) => !name.startsWith('guidanceEmbedder.'));
    expect(others.map(([name]) => name)).toEqual(plain!.map(([name]) => name));
    expect(guided!.length - others.length).toBe(4);
    others.forEach(([, x], i) => {
      expectClose(x, plain![i]![1], { rtol: 0, atol: 0 });
    });
  });

  it('vectors change the prediction where their mask says that they are there, and nowhere else', () => {
    const c = { ...config, contextSize: 3 };
    const params = trainedParams(c, 5);
    const at = drawInput(6, c);
    const { labels, context, contextMask } = at.condition;
    const told = (change: VideoDiTCondition) => ({ condition: { labels, context, contextMask, ...change } });
    const elsewhere = tf.where(tf.expandDims(contextMask!, 2), context!, tf.fill(context!.shape, 1e3));
    expect(differs(params, c, at, told({ context: elsewhere }))).toBeLessThan(1e-5);
    expect(differs(params, c, at, told({ context: tf.neg(context!) }))).toBeGreaterThan(0.01);
    expect(differs(params, c, at, told({ contextMask: undefined }))).toBeGreaterThan(0.01);
    const contextless = { contextMask: tf.zerosLike(contextMask!) };
    const negated = told({ ...contextless, context: tf.neg(context!) });
    expect(differs(params, c, { ...at, ...told(contextless) }, negated)).toBe(0);
    expectNoLeak(() => videoDiT(params, c, at));
  });
});
