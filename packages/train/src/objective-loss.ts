import {
  cutBatch,
  type DrawnBatch,
  type LossTerm,
  type Networks,
  type Objective,
  type ObjectiveBatch,
  type ObjectiveSchedule,
} from '@eflow/flow';
import { mapTrees, type RandomStream, splitStream } from '@eflow/tensor';
import * as tf from '@tensorflow/tfjs-core';

/**
 * The loss of an objective on a batch and its terms, for `createTrainStep`: the objective's draws come from the step's stream. A
 * guidance scale that stays 1 over the training is a number, which costs no pass of a reference.
 */
export function objectiveLoss(
  objective: Objective,
  networks: Networks,
  batch: ObjectiveBatch,
  context: Context,
): ObjectiveLosses {
  const [drawn] = drawBatches(objective, batch, 1, context);
  return drawnLoss(objective, networks, drawn!, context);
}

/** What `drawnLoss` takes of a batch: `count` parts of it with their draws, as many rows of each kind in each. */
export const drawBatches = (
  objective: Objective,
  batch: ObjectiveBatch,
  count: number,
  { stream, schedule, trainsJumps }: Context,
): DrawnBatch[] => {
  const { shape } = batch.data;
  const draws = objective.draw(splitStream(stream, 'draws'), shape, used(objective, schedule), trainsJumps);
  return cutBatch({ batch, draws }, count);
};

/**
 * The loss and its terms of a part of a batch: the mean over `branches` parts of that, which do not wait for each other, so that a
 * graph runs them side by side.
 */
export function drawnLoss(
  objective: Objective,
  networks: Networks,
  drawn: DrawnBatch,
  { schedule }: Pick<Context, 'schedule'>,
  branches = 1,
): ObjectiveLosses {
  const losses = cutBatch(drawn, branches).map(({ batch, draws }, i): [string, ObjectiveLosses] => {
    const { loss, terms } = objective.loss(networks, batch, draws, used(objective, schedule));
    return [`branch ${i}`, { loss, ...terms }];
  });
  if (branches === 1) return losses[0]![1];
  return mapTrees('drawnLoss', Object.fromEntries(losses), (values) => tf.div(tf.addN(values), branches));
}

type Context = {
  stream: RandomStream;
  schedule: ObjectiveSchedule;
  /** Whether rows train jumps, see `Objective.trainsJumpsAt`; they do unless given. */
  trainsJumps?: boolean;
};

const used = (objective: Objective, schedule: ObjectiveSchedule): ObjectiveSchedule =>
  objective.scheduleAt(1).guidanceScale === 1 ? { ...schedule, guidanceScale: 1 } : schedule;

export type ObjectiveLosses = { loss: tf.Scalar; velocityLoss: tf.Scalar } & Partial<Record<LossTerm, tf.Scalar>>;
