import { createStream, disposeTree, randomNormal, splitStream, treeEntries, valueAndGrad } from '@eflow/tensor';
import { expectClose } from '@eflow/testing';
import * as tf from '@tensorflow/tfjs-core';
import { describe, expect, it } from 'vitest';
import { createObjective, OBJECTIVES } from './create-objective.ts';
import { cutBatch, type DrawnBatch } from './cut-batch.ts';
import type { Network } from './network.ts';

const B = 16;
const shape = [B, 5, 2];

/** A network in which every input counts, so that a row with another's time, class or tokens would change the loss. */
const bind =
  ({ weight }: { weight: tf.Tensor }): Network =>
  ({ noisy, timestep, targetTimestep, condition, keptTokens, pathDropped }) => {
    const perRow = [
      timestep,
      targetTimestep,
      condition as tf.Tensor,
      tf.sum(keptTokens ?? tf.zeros([1, 1]), 1),
      pathDropped,
    ];
    const sum = tf.addN(
      perRow.filter((x) => x !== undefined).map((x) => tf.broadcastTo(tf.cast(x, 'float32'), timestep.shape)),
    );
    return tf.mul(tf.add(noisy, tf.sin(tf.reshape(sum, [-1, 1, 1]))), weight);
  };

const drawn = (
  spec: Parameters<typeof createObjective>[0],
  schedule: { intervalRatio: number; guidanceScale: number },
) => {
  const objective = createObjective(spec);
  const stream = createStream(4);
  const labels = tf.range(0, B, 1, 'int32');
  return {
    objective,
    whole: {
      batch: {
        data: randomNormal(splitStream(stream, 'data'), shape),
        condition: labels,
        nullCondition: tf.fill([B], 99, 'int32'),
        keptTokens: tf.cast(tf.reshape(tf.range(0, 2 * B), [B, 2]), 'int32'),
      },
      draws: objective.draw(splitStream(stream, 'draws'), shape, schedule),
    } satisfies DrawnBatch,
  };
};

describe('cutBatch', () => {
  it.each(OBJECTIVES.map(({ kind }) => kind))(
    'gives %s the loss, the terms and the gradient of the whole batch',
    (kind) => {
      tf.tidy(() => {
        const schedule = { intervalRatio: 0.1, guidanceScale: 1.5 };
        const { objective, whole } = drawn({ kind, pathDropProb: 0.5 } as never, schedule);
        const params = { weight: tf.tensor1d([0.7, -0.4]) };
        const lossOf = ({ batch, draws }: DrawnBatch) =>
          valueAndGrad(() => {
            const network = bind(params);
            const { loss, terms } = objective.loss({ strong: network, weak: network }, batch, draws, schedule);
            return { loss, ...terms };
          }, params);
        const wanted = lossOf(whole);
        for (const count of [1, 2, 4]) {
          const parts = cutBatch(whole, count).map(lossOf);
          expect(parts).toHaveLength(count);
          const mean = (pick: (part: (typeof parts)[number]) => tf.Tensor) => tf.div(tf.addN(parts.map(pick)), count);
          expectClose(
            mean(({ grads }) => grads.weight),
            wanted.grads.weight,
            { rtol: 1e-6, atol: 1e-6 },
          );
          for (const [name, value] of Object.entries(wanted.values)) {
            expectClose(
              mean(({ values }) => (values as Record<string, tf.Scalar>)[name]!),
              value,
              { rtol: 1e-6, atol: 1e-6 },
            );
          }
          disposeTree(parts.flatMap(({ values, grads }) => [values, grads]));
        }
        disposeTree([wanted.values, wanted.grads]);
      });
    },
  );

  it('has every row once, and the batch itself as one part', () => {
    tf.tidy(() => {
      const { whole } = drawn({ kind: 'eflow' }, { intervalRatio: 0.1, guidanceScale: 1 });
      expect(cutBatch(whole, 1)).toEqual([whole]);
      const parts = cutBatch(whole, 4);
      const rows = parts.map(({ batch }) => [...(batch.condition as tf.Tensor).dataSync()]);
      expect(rows).toEqual([0, 1, 2, 3].map((i) => [3 * i, 3 * i + 1, 3 * i + 2, 12 + i]));
      for (const [name, leaf] of treeEntries(parts[0]!))
        expect(leaf.shape[0], name).toBe(/Timestep|jump/.test(name) ? (name.includes('jump') ? 1 : 3) : 4);
    });
  });

  it('refuses parts that are not alike, names the sizes that are possible, and leaves no tensor', () => {
    const { whole } = drawn({ kind: 'eflow' }, { intervalRatio: 0.1, guidanceScale: 1 });
    const before = tf.memory().numTensors;
    expect(() => cutBatch(whole, 8)).toThrow(
      'a batch of 12 velocity rows and 4 jump rows cannot be cut into parts of 2 that are alike; parts can be of 16, 8, 4',
    );
    disposeTree(cutBatch(whole, 2));
    expect(tf.memory().numTensors).toBe(before);
    disposeTree(whole);
  });
});
