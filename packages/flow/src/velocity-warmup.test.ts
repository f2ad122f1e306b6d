import { createStream, randomNormal, splitStream } from '@eflow/tensor';
import { expectClose } from '@eflow/testing';
import * as tf from '@tensorflow/tfjs-core';
import { describe, expect, it } from 'vitest';
import { createObjective, type ObjectiveSpec } from './create-objective.ts';
import type { Network } from './network.ts';

const B = 8;
const shape = [B, 3];
const network: Network = ({ noisy, timestep, targetTimestep }) =>
  tf.add(tf.mul(noisy, 0.5), tf.reshape(tf.sub(timestep, tf.mul(targetTimestep, 0.3)), [B, 1]));
const weak: Network = ({ noisy }) => tf.mul(noisy, 0.25);

const batch = () => {
  const condition = tf.range(0, B, 1, 'int32');
  return { data: randomNormal(createStream(1), shape), condition, nullCondition: tf.fill([B], 9, 'int32') };
};

describe.each(['eflow', 'solutionFlow', 'meanFlow', 'splitMeanFlow'] as const)('velocityWarmup of %s', (kind) => {
  const create = (more: object) =>
    createObjective({ kind, guidanceScale: 1, targetMixRatio: 1, ...more } as ObjectiveSpec);

  it('ends at its share of the training, and is absent unless given', () => {
    const at = (objective: ReturnType<typeof create>) => [0, 0.49, 0.5, 1].map((p) => objective.trainsJumpsAt?.(p));
    expect(at(create({ velocityWarmup: 0.5 }))).toEqual([false, false, true, true]);
    expect(at(create({}))).toEqual([true, true, true, true]);
  });

  it('is flow matching in all rows: the same draws, loss and passes', () => {
    tf.tidy(() => {
      const objective = create({ velocityWarmup: 0.5, velocityTime: { mean: 0.1, std: 1 }, weightPower: 1 });
      const flow = createObjective({
        kind: 'flowMatching',
        velocityTime: { mean: 0.1, std: 1 },
        classDropoutProb: kind === 'eflow' ? 0 : 0.1,
      });
      const schedule = objective.scheduleAt(0);
      const draws = objective.draw(createStream(3), shape, schedule, false);
      const wanted = flow.draw(createStream(3), shape, flow.scheduleAt(0));
      expect(draws.jump).toBeUndefined();
      expectClose(draws.noise, wanted.noise, { rtol: 0, atol: 0 });
      expectClose(draws.velocityTimestep, wanted.velocityTimestep, { rtol: 0, atol: 0 });
      const networks = { strong: network, weak };
      const given = { ...wanted, pathDropped: draws.pathDropped, conditionDropped: draws.conditionDropped };
      const found = objective.loss(networks, batch(), draws, schedule);
      const expected = flow.loss(networks, batch(), given, flow.scheduleAt(0));
      expectClose(found.lossPerExample, expected.lossPerExample, { rtol: 1e-6 });
      expect(Object.keys(found.terms)).toEqual(['velocityLoss']);
      expect(found.passes).toEqual([{ network: 'strong', gradient: true, rows: B }]);
    });
  });

  it("is guided by the kind's own reference, and mixes its own velocity in", () => {
    tf.tidy(() => {
      const objective = create({
        velocityWarmup: 0.5,
        guidanceScale: 2,
        targetMixRatio: 0.5,
        pathDropProb: kind === 'eflow' ? 0.1 : 0,
      });
      const draws = objective.draw(splitStream(createStream(3), 'draws'), shape, objective.scheduleAt(0), false);
      const { passes, loss } = objective.loss({ strong: network, weak }, batch(), draws, objective.scheduleAt(1));
      const reference = kind === 'eflow' ? 'weak' : 'strong';
      expect(passes).toEqual([
        { network: 'strong', gradient: true, rows: B },
        { network: reference, gradient: false, rows: B },
      ]);
      const plain = create({ velocityWarmup: 0.5, pathDropProb: kind === 'eflow' ? 0.1 : 0 });
      const unguided = plain.loss({ strong: network, weak }, batch(), draws, plain.scheduleAt(1));
      expect(loss.dataSync()[0]).not.toBeCloseTo(unguided.loss.dataSync()[0]!, 4);
    });
  });

  it('leaves draws and loss alone once it is over, and refuses draws without jumps where there is none', () => {
    tf.tidy(() => {
      const [with_, without] = [create({ velocityWarmup: 0.5 }), create({})];
      const schedule = without.scheduleAt(0.7);
      const draws = without.draw(createStream(4), shape, schedule);
      expect(with_.draw(createStream(4), shape, schedule, true).jump!.timestep.dataSync()).toEqual(
        draws.jump!.timestep.dataSync(),
      );
      const loss = (objective: typeof without) =>
        objective.loss({ strong: bigger, weak }, batch(), draws, schedule).lossPerExample;
      expectClose(loss(with_), loss(without), { rtol: 0, atol: 0 });
      const { jump: _, ...none } = { ...draws, velocityTimestep: tf.fill([B], 0.5) };
      expect(() => without.loss({ strong: network, weak }, batch(), none, schedule)).toThrow('have no jump times');
    });
  });

  it.each([-0.1, 1, 'half'])('refuses a share of %s', (velocityWarmup) => {
    expect(() => create({ velocityWarmup })).toThrow('velocityWarmup');
  });
});

/** For any number of rows. */
const bigger: Network = ({ noisy, timestep }) => tf.mul(noisy, tf.reshape(timestep, [-1, 1]));
