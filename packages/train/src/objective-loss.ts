import type { LossTerm, Networks, Objective, ObjectiveBatch, ObjectiveSchedule } from '@eflow/flow';
import { type RandomStream, splitStream } from '@eflow/tensor';
import type * as tf from '@tensorflow/tfjs-core';

/**
 * The loss of an objective on a batch and its terms, for `createTrainStep`: the objective's draws come from the step's stream. A
 * guidance scale that stays 1 over the training is a number, which costs no pass of a reference.
 */
export function objectiveLoss(
  objective: Objective,
  networks: Networks,
  batch: ObjectiveBatch,
  { stream, schedule }: { stream: RandomStream; schedule: ObjectiveSchedule },
): ObjectiveLosses {
  const isGuided = objective.scheduleAt(1).guidanceScale !== 1;
  const used = isGuided ? schedule : { ...schedule, guidanceScale: 1 };
  const draws = objective.draw(splitStream(stream, 'draws'), batch.data.shape, used);
  const { loss, terms } = objective.loss(networks, batch, draws, used);
  return { loss, ...terms };
}

export type ObjectiveLosses = { loss: tf.Scalar; velocityLoss: tf.Scalar } & Partial<Record<LossTerm, tf.Scalar>>;
