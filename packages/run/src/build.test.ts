import { compile } from '@eflow/engine';
import { createObjective } from '@eflow/flow';
import { createStream, fillTree, randomNormal, splitStream, treeLeaves, valueAndGrad } from '@eflow/tensor';
import { bindVideoDiT, initVideoDiT, type VideoDiTConfig, type VideoDiTParams } from '@eflow/video-dit';
import * as tf from '@tensorflow/tfjs-core';
import { describe, expect, it } from 'vitest';
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
