import { compile } from '@eflow/engine';
import { createObjective } from '@eflow/flow';
import { createStream, fillTree, randomNormal, splitStream, treeLeaves, valueAndGrad } from '@eflow/tensor';
import { bindVideoDiT, initVideoDiT, type VideoDiTConfig, type VideoDiTParams } from '@eflow/video-dit';
import * as tf from '@tensorflow/tfjs-core';
import { describe, expect, it } from 'vitest';
import { videoDiTConfig } from './build.ts';
import { loadConfig } from './load-config.ts';

describe('bindVideoDiT', () => {
  const network: VideoDiTConfig = {
    channels: 1,
    patchSize: [1, 2, 2],
    hiddenSize: 12,
    depth: [1, 1, 1],
    numHeads: 2,
    mlpRatio: 2,
    attention: { kind: 'softmax' },
    numClasses: 3,
    contextSize: 5,
  };
  const rows = 8;
  const at = (label: string) => splitStream(createStream(1), label);
  const objective = createObjective(
    loadConfig('digits-tiny', ['objective.classDropoutProb=0.3', 'objective.weightPower=0']).objective,
  );
  const schedule = { intervalRatio: tf.scalar(0.05), guidanceScale: tf.scalar(1.5) };
  const data = tf.tanh(randomNormal(at('data'), [rows, 2, 4, 4, 1]));
  const draws = objective.draw(at('draws'), data.shape, schedule);
  const labels = tf.tensor1d([0, 1, 2, 0, 1, 2, 0, 1], 'int32');
  const context = randomNormal(at('context'), [rows, 3, 5]);
  const contextMask = tf.tile(tf.tensor2d([[true, true, false]], undefined, 'bool'), [rows, 1]);
  const batch = {
    data,
    condition: { labels, context, contextMask },
    nullCondition: { labels: tf.fill([rows], 3, 'int32'), context, contextMask: tf.zerosLike(contextMask) },
  };

  /** One step down the gradient, of `lossPerExample` with the parameters before it. */
  const descend = (params: VideoDiTParams, given: typeof batch) =>
    tf.tidy(() => {
      const { values, grads } = valueAndGrad(() => {
        const { loss, terms } = objective.loss(bindVideoDiT(params, network), given, draws, schedule);
        return { loss, velocityLoss: terms.velocityLoss };
      }, params);
      const [leaves, slopes] = [treeLeaves(params), treeLeaves(grads)];
      const next = leaves.map((leaf, i) => tf.sub(leaf, tf.mul(slopes[i]!, 0.2)));
      return { velocityLoss: values.velocityLoss, params: fillTree(params, next) };
    });

  it('trains with labels and a context in one condition, the same compiled', () => {
    const compiled = compile(descend);
    const train = (step: typeof descend, length: number) => {
      let params = initVideoDiT(at('init'), network);
      return Array.from({ length }, () => {
        const result = step(params, batch);
        params = result.params;
        return result.velocityLoss.dataSync()[0]!;
      });
    };
    const [eager, graph] = [train(descend, 3), train(compiled, 20)];
    expect(graph.at(-1)).toBeLessThan(0.9 * graph[0]!);
    for (const [i, loss] of eager.entries()) expect(Math.abs(loss / graph[i]! - 1)).toBeLessThan(1e-3);
    compiled.dispose();
  });

  it('refuses a condition that is not what the network asks for', () => {
    const params = initVideoDiT(at('init'), network);
    const { context: _, ...without } = batch.condition;
    const { context: __, ...nothing } = batch.nullCondition;
    const loss = (condition: object, nullCondition: object) => () =>
      objective.loss(
        bindVideoDiT(params, network),
        { ...batch, condition, nullCondition } as typeof batch,
        draws,
        schedule,
      );
    expect(loss(without, batch.nullCondition)).toThrow("nullCondition has a leaf 'context', and condition");
    expect(loss(without, nothing)).toThrow('videoDiT: the network takes a context; give condition.context [8, S, 5]');
  });
});

describe('text', () => {
  const overrides = ['data.kind=captionedDigits', 'data.digitSize=11', 'data.maxSpeed=0.6', 'text.kind=words'];

  it('makes a network that takes the words of the captions in place of classes', () => {
    const config = loadConfig('digits-tiny', [...overrides, 'text.width=24', 'text.depth=1', 'text.numHeads=2']);
    const { numClasses, channels, words } = videoDiTConfig(config);
    expect([numClasses, channels]).toEqual([0, 3]);
    expect(words).toMatchObject({ width: 24, depth: 1, numHeads: 2 });
    expect(words!.vocabulary).toEqual(expect.arrayContaining(['a', 'red', 'seven', '7', 'leftwards']));
    const without = videoDiTConfig(loadConfig('digits-tiny', overrides.slice(0, -1)));
    expect([without.numClasses, without.words]).toEqual([320, undefined]);
  });

  it('keeps a vocabulary that is given', () => {
    const config = loadConfig('digits-tiny', [...overrides, 'text.vocabulary=[a, blue, left, moves, red]']);
    expect(videoDiTConfig(config).words!.vocabulary).toEqual(['a', 'blue', 'left', 'moves', 'red']);
  });

  it.each([
    [['text.kind=words'], 'text is set, and clips of the kind movingDigits have no captions to learn from'],
    [
      [...overrides, 'text.vocabulary=[red, Red]'],
      'VideoDiT: words: the vocabulary has "Red"; expected words in small letters',
    ],
    [[...overrides, 'text.numHeads=5'], 'VideoDiT: words: width is 128 and numHeads 5'],
    [[...overrides, 'network.contextSize=7'], 'network.contextSize: unknown key'],
  ])('refuses %j', (changes, message) => {
    expect(() => loadConfig('digits-tiny', changes)).toThrow(message);
  });
});
