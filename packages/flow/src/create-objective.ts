import { createStream } from '@eflow/tensor';
import * as tf from '@tensorflow/tfjs-core';
import { type FlowMatchingOptions, flowMatching } from './flow-matching.ts';
import { type MeanFlowOptions, meanFlow } from './mean-flow.ts';
import type { Network } from './network.ts';
import type { Objective, Pass } from './objective.ts';
import { type EflowOptions, eflow, type SolutionFlowOptions, solutionFlow } from './solution-flow.ts';
import { type SplitMeanFlowOptions, splitMeanFlow } from './split-mean-flow.ts';

/** An objective as data, for configs. */
export type ObjectiveSpec =
  | ({ kind: 'flowMatching' } & FlowMatchingOptions)
  | ({ kind: 'solutionFlow' } & SolutionFlowOptions)
  | ({ kind: 'eflow' } & EflowOptions)
  | ({ kind: 'meanFlow' } & MeanFlowOptions)
  | ({ kind: 'splitMeanFlow' } & SplitMeanFlowOptions);

/** The objective that a spec describes. */
export function createObjective(spec: ObjectiveSpec): Objective {
  switch (spec.kind) {
    case 'flowMatching':
      return flowMatching(spec);
    case 'solutionFlow':
      return solutionFlow(spec);
    case 'eflow':
      return eflow(spec);
    case 'meanFlow':
      return meanFlow(spec);
    case 'splitMeanFlow':
      return splitMeanFlow(spec);
  }
}

/**
 * The network passes of one training step on `batchSize` examples at the schedule's end, counted by running the loss on one
 * number per example with a network of nothing. Throws if the batch is too small for the objective's rows.
 */
export function countPasses(objective: Objective, batchSize: number): Pass[] {
  return tf.tidy(() => {
    const nothing: Network = ({ noisy }) => tf.zerosLike(noisy);
    const schedule = objective.scheduleAt(1);
    const draws = objective.draw(createStream(0), [batchSize, 1], schedule);
    const batch = {
      data: tf.zeros([batchSize, 1]),
      condition: tf.zeros([batchSize], 'int32'),
      nullCondition: tf.ones([batchSize], 'int32'),
    };
    return objective.loss({ strong: nothing, weak: nothing }, batch, draws, schedule).passes;
  });
}
