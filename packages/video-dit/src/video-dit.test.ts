import type { AttentionSpec } from '@eflow/attention';
import {
  createStream,
  disposeTree,
  fillTree,
  mapTree,
  randomNormal,
  randomUniform,
  splitStream,
  treeEntries,
  treeLeaves,
  valueAndGrad,
} from '@eflow/tensor';
import { expectClose, expectGradients, expectNoLeak } from '@eflow/testing';
import * as tf from '@tensorflow/tfjs-core';
import { describe, expect, it, vi } from 'vitest';
import { block, initBlock } from './block.ts';
import { countTokens, type VideoDiTConfig } from './config.ts';
import { drawKeptTokens } from './token-drop.ts';
import { assertLabels, initVideoDiT, type VideoDiTInput, videoDiT, weakVideoDiT } from './video-dit.ts';

const attentions: AttentionSpec[] = [
  { kind: 'softmax' },
  { kind: 'linear', featureMap: 'elu1' },
  { kind: 'local', windowSize: 2 },
  // Which blocks are on top jumps; here all are.
  { kind: 'sla', blockSize: 2, topRatio: 1, variant: 'code' },
  // ReLU's kink makes differences jump; its gradient is checked where the kernel is.
  { kind: 'glga', windowSize: 2, featureMap: 'elu1' },
];

const config: VideoDiTConfig = {
  numFrames: 3,
  height: 4,
  width: 10,
  channels: 2,
  patchSize: [1, 2, 5],
  hiddenSize: 14,
  depth: [2, 1, 1],
  numHeads: 1,
  mlpRatio: 2,
  attention: { kind: 'glga', windowSize: 2, featureMap: 'relu' },
  numClasses: 5,
};
const B = 3;
const L = countTokens(config);

/** Parameters of a network in mid-training: every leaf moved off its start, so that no gradient hides behind a zero. */
function trainedParams(c: VideoDiTConfig, seed: number) {
  const stream = createStream(seed);
  return mapTree(initVideoDiT(stream, c), (leaf, name) =>
    tf.add(leaf, tf.mul(randomNormal(splitStream(stream, name), leaf.shape), 0.1)),
  );
}

const input = (seed: number): VideoDiTInput => {
  const at = (label: string) => splitStream(createStream(seed), label);
  const timestep = randomUniform(at('t'), [B]);
  return {
    noisy: randomNormal(at('x'), [B, config.numFrames, config.height, config.width, config.channels]),
    timestep,
    targetTimestep: tf.mul(timestep, randomUniform(at('s'), [B])),
    condition: tf.tensor1d([0, 5, 3], 'int32'),
  };
};
const keptTokens = drawKeptTokens(createStream(9), B, L, 0.5);
const pathDropped = tf.tensor1d([false, true, false], 'bool');

describe.each(attentions)('VideoDiT with $kind attention', (attention) => {
  const c = { ...config, attention };

  it('has the gradient of every parameter, with tokens and paths dropped', () => {
    const params = trainedParams(c, 1);
    const entries = treeEntries(params).filter(([name]) => name !== 'maskToken');
    for (const [name, leaf] of entries) {
      const withLeaf = (x: tf.Tensor) =>
        fillTree(
          params,
          treeLeaves(params).map((other) => (other === leaf ? x : other)),
        );
      try {
        expectGradients((x) => videoDiT(withLeaf(x!), c, { ...input(2), keptTokens, pathDropped }), [leaf], {
          directions: 1,
          tolerance: 2e-2,
        });
      } catch (error) {
        throw new Error(`${name}: ${(error as Error).message}`);
      }
    }
  });

  it('predicts 0 before training and leaves no tensors behind', () => {
    const params = initVideoDiT(createStream(3), c);
    const output = videoDiT(params, c, { ...input(4), keptTokens, pathDropped });
    expect(output.shape).toEqual(input(4).noisy.shape);
    expect(Math.max(...output.dataSync().map(Math.abs))).toBe(0);
    const at = input(4);
    expectNoLeak(() => videoDiT(params, c, { ...at, keptTokens, pathDropped }));
    expectNoLeak(() => weakVideoDiT(params, c, at));
    expectNoLeak(() =>
      tf.grad((noisy: tf.Tensor) => videoDiT(params, c, { ...at, noisy, keptTokens, pathDropped }))(at.noisy),
    );
  });
});

describe('a window of frames, rows and columns', () => {
  const within = (windowSize: [number, number, number]) => ({
    ...config,
    attention: { kind: 'local', windowSize } as const,
  });
  const params = trainedParams(within([1, 0, 1]), 8);
  const at = input(9);

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
  const at = input(6);

  it('keeping all tokens is the network without drop', () => {
    const all = drawKeptTokens(createStream(1), B, L, 1);
    expectClose(videoDiT(params, config, { ...at, keptTokens: all }), videoDiT(params, config, at), {
      rtol: 1e-5,
      atol: 1e-5,
    });
  });

  it('dropping every path is the weak path, and only dropped clips change', () => {
    const weak = weakVideoDiT(params, config, at);
    expectClose(videoDiT(params, config, { ...at, pathDropped: tf.onesLike(pathDropped) }), weak, {
      rtol: 1e-5,
      atol: 1e-5,
    });
    const mixed = tf.split(videoDiT(params, config, { ...at, pathDropped }), B);
    const strong = tf.split(videoDiT(params, config, at), B);
    expectClose(mixed[0]!, strong[0]!, { rtol: 1e-5, atol: 1e-5 });
    expectClose(mixed[1]!, tf.split(weak, B)[1]!, { rtol: 1e-5, atol: 1e-5 });
    expect(tf.norm(tf.sub(mixed[1]!, strong[1]!)).dataSync()[0]).toBeGreaterThan(0.1);
  });

  it('examples of a batch do not see one another', () => {
    const whole = videoDiT(params, config, { ...at, keptTokens, pathDropped });
    const second = (x: tf.Tensor) => tf.slice(x, [1], [1]);
    const alone = videoDiT(params, config, {
      noisy: second(at.noisy),
      timestep: second(at.timestep),
      targetTimestep: second(at.targetTimestep),
      condition: second(at.condition),
      keptTokens: second(keptTokens),
      pathDropped: second(pathDropped),
    });
    expectClose(alone, second(whole), { rtol: 1e-5, atol: 1e-5 });
  });

  it('the middle has no gradient from a clip whose path is dropped, and the mask token never has one', () => {
    const only = { ...at, pathDropped: tf.onesLike(pathDropped) };
    const gradients = (inputs: VideoDiTInput) =>
      valueAndGrad(() => ({ loss: tf.sum(tf.square(videoDiT(params, config, inputs))) as tf.Scalar }), params).grads;
    const norm = (x: tf.Tensor) => tf.norm(x).dataSync()[0];
    const { middleBlocks, encoderBlocks } = gradients(only);
    expect(norm(middleBlocks[0]!.attn.qkv.weight)).toBe(0);
    expect(norm(encoderBlocks[0]!.attn.qkv.weight)).toBeGreaterThan(0);
    expect(norm(gradients({ ...at, keptTokens, pathDropped }).maskToken)).toBe(0);
  });

  it('depends on the condition, on t and on t - s', () => {
    const base = videoDiT(params, config, at);
    const differs = (change: Partial<VideoDiTInput>) =>
      expect(tf.norm(tf.sub(videoDiT(params, config, { ...at, ...change }), base)).dataSync()[0]).toBeGreaterThan(0.01);
    differs({ condition: tf.tensor1d([1, 1, 1], 'int32') });
    differs({ timestep: tf.add(at.timestep, 0.3), targetTimestep: tf.add(at.targetTimestep, 0.3) });
    differs({ targetTimestep: at.timestep });
  });
});

describe('a long clip', () => {
  const long: VideoDiTConfig = {
    ...config,
    numFrames: 6,
    height: 12,
    width: 20,
    channels: 1,
    patchSize: [1, 1, 2],
    depth: [2, 2, 2],
    attention: { kind: 'glga', windowSize: 9, featureMap: 'elu1' },
  };
  const params = trainedParams(long, 7);
  const at: VideoDiTInput = {
    noisy: randomNormal(createStream(1), [2, 6, 12, 20, 1]),
    timestep: tf.tensor1d([0.9, 0.4]),
    targetTimestep: tf.tensor1d([0.2, 0.1]),
    condition: tf.tensor1d([1, 4], 'int32'),
    keptTokens: drawKeptTokens(createStream(2), 2, countTokens(long), 0.5),
    pathDropped: tf.tensor1d([true, false], 'bool'),
  };
  /** The sum of squares of the output, its gradients, and the tensors alive when the gradient begins. */
  function differentiate(c: VideoDiTConfig) {
    let alive = 0;
    const watch = tf.customGrad((x) => ({
      value: tf.clone(x as tf.Tensor),
      gradFunc: (dy) => {
        alive = tf.memory().numTensors;
        return tf.clone(dy);
      },
    }));
    const before = tf.memory().numTensors;
    const loss = () => ({ loss: tf.sum(tf.square(watch(videoDiT(params, c, at)))) as tf.Scalar });
    return { ...tf.tidy(() => valueAndGrad(loss, params)), kept: alive - before };
  }

  it('has the same gradients with its blocks run again for them, and keeps less in between', () => {
    const before = tf.memory().numTensors;
    const plain = differentiate(long);
    const again = differentiate({ ...long, checkpoint: 'blocks' });
    expectClose(again.values.loss, plain.values.loss, { rtol: 0, atol: 0 });
    const expected = treeEntries(plain.grads);
    treeEntries(again.grads).forEach(([name, grad], i) => {
      const scale = Math.max(...expected[i]![1].dataSync().map(Math.abs));
      try {
        expectClose(grad, expected[i]![1], { rtol: 1e-6, atol: 1e-6 * scale });
      } catch (error) {
        throw new Error(`${name}: ${(error as Error).message}`);
      }
    });
    expect(again.kept).toBeLessThan(plain.kept / 2);
    disposeTree([plain.values, plain.grads, again.values, again.grads]);
    expectNoLeak(() => videoDiT(params, { ...long, checkpoint: 'blocks' }, at));
    expect(tf.memory().numTensors).toBe(before);
  });

  it.each(['none', 'blocks'] as const)('makes no large tensor in JavaScript, with checkpoint %s', (checkpoint) => {
    const write = vi.spyOn(tf.backend(), 'write');
    const { values, grads } = differentiate({ ...long, checkpoint });
    const written = write.mock.calls.map(([data]) => data as Float32Array);
    write.mockRestore();
    disposeTree([values, grads]);
    expect(written.length).toBeGreaterThan(0);
    // The gradient that tfjs has for sums writes ones, which a graph holds as one number.
    const varied = written.filter((data) => data.some((value) => value !== data[0]));
    expect(Math.max(...varied.map((data) => data.length))).toBeLessThan(1000);
  });
});

describe('block', () => {
  it('is the identity when new', () => {
    const blockConfig = { hiddenSize: 14, numHeads: 1, mlpRatio: 3, attention: config.attention };
    const x = randomNormal(createStream(1), [2, 5, 14]);
    const condition = randomNormal(createStream(2), [2, 14]);
    const rotary = { cos: tf.ones([5, 14]), sin: tf.zeros([5, 14]) };
    expectClose(block(initBlock(createStream(3), blockConfig), blockConfig, x, { condition, rotary }), x, {
      rtol: 0,
      atol: 0,
    });
  });
});

describe('bad input', () => {
  const params = initVideoDiT(createStream(1), config);

  it('names what disagrees', () => {
    const at = input(1);
    expect(() => videoDiT(params, config, { ...at, timestep: tf.zeros([2]) })).toThrow(
      'expected timestep [3], got [2]',
    );
    expect(() => videoDiT(params, config, { ...at, noisy: tf.zeros([3, 2, 4, 10, 2]) })).toThrow(
      'expected noisy [B, 3, 4, 10, 2]',
    );
    expect(() => videoDiT(params, config, { ...at, keptTokens: tf.zeros([2, 3], 'int32') })).toThrow(
      'expected keptTokens [3, K]',
    );
    expect(() => initVideoDiT(createStream(1), { ...config, width: 11 })).toThrow('width 11 is not a multiple');
  });

  it('checks labels', () => {
    assertLabels([0, 4, 5], 5);
    expect(() => assertLabels([0, 6], 5)).toThrow('label 1 is 6; expected an integer from 0 to 4');
    expect(() => assertLabels([0.5], 5)).toThrow('label 0 is 0.5');
  });
});
