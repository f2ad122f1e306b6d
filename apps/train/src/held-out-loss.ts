import { makeBatch } from '@eflow/data';
import { compile } from '@eflow/engine';
import { createObjective, solutionNetworks } from '@eflow/flow';
import { type HeldOutLosses, openClips, type RunConfig } from '@eflow/run';
import { createStream, disposeTree, type RandomStream, readScalars, splitStream, uploadStream } from '@eflow/tensor';
import { emaParams, objectiveLoss } from '@eflow/train';
import { bindVideoDiT, type FullVideoDiTConfig, nullCondition, type VideoDiTParams } from '@eflow/video-dit';
import * as tf from '@tensorflow/tfjs-core';
import type { RunState } from './state.ts';
import { type DeviceBatch, upload } from './train-step.ts';

/**
 * What tells how far the EMA weights are on clips that training never sees: the same clips with the same draws each time, all tokens, and
 * the schedules at their end, so that one curve shows the weights alone. Of the objective it takes the residuals' plain mean squares: the
 * loss itself is weighted, and its value says nothing. Throws if there are no such clips; `close` gives their files back.
 */
export function createHeldOutLoss(config: RunConfig, network: FullVideoDiTConfig, { eager = false } = {}) {
  const { seed, training, measurement } = config;
  const { batchSize, precision } = training;
  const numBatches = measurement.heldOutBatches;
  const objective = createObjective(config.objective);
  const schedule = objective.scheduleAt(1);
  const stream = splitStream(createStream(seed), 'held-out');

  function lossOf(params: VideoDiTParams, { data, condition }: DeviceBatch, stream: RandomStream) {
    return tf.tidy(() => {
      const batch = { data, condition, nullCondition: nullCondition(network, condition) };
      const { loss: _, ...terms } = objectiveLoss(
        objective,
        solutionNetworks(bindVideoDiT(params, network), network.predicts, objective.map),
        batch,
        {
          stream,
          schedule,
        },
      );
      return terms as Record<string, tf.Scalar>;
    });
  }
  const evaluate = eager ? lossOf : compile(lossOf, { name: 'held-out loss', captures: 'refuse', precision });
  const clips = openClips(config, 'held-out');

  function measure(state: RunState, seconds: number): HeldOutLosses {
    const params = emaParams(state);
    const sums: Record<string, number> = {};
    for (let i = 0; i < numBatches; i++) {
      const batch = upload(network, makeBatch(clips, batchSize, i));
      const draws = uploadStream(splitStream(stream, i));
      for (const [term, value] of Object.entries(readScalars(evaluate(params, batch, draws)))) {
        sums[term] = (sums[term] ?? 0) + value / numBatches;
      }
      disposeTree([batch, draws]);
    }
    disposeTree(params);
    return { step: state.step, seconds, clips: numBatches * batchSize, ...(sums as { velocityLoss: number }) };
  }
  return { measure, close: () => clips.close?.() };
}
