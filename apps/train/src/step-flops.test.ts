import { drawEflow, eflowLoss } from '@eflow/flow';
import { loadConfig, videoDiTConfig } from '@eflow/run';
import { createStream } from '@eflow/tensor';
import { countNetwork } from '@eflow/video-dit';
import * as tf from '@tensorflow/tfjs-core';
import { expect, it } from 'vitest';
import { countStepFlops } from './step-flops.ts';
import { TINY } from './tiny.ts';

it.each([
  ['objective.guidanceScale=2', 'objective.targetMixRatio=0.25', 'objective.additivityWeight=0.1'],
  ['objective.guidanceScale=1', 'objective.targetMixRatio=0.25', 'objective.additivityWeight=0'],
  ['objective.guidanceScale=1', 'objective.targetMixRatio=1', 'objective.additivityWeight=0.1'],
])('counts the passes that the loss makes, with %s, %s and %s', (...changes) => {
  const config = loadConfig('digits-tiny', [...TINY, 'training.batchSize=12', ...changes]);
  const { data, objective, training } = config;
  const network = videoDiTConfig(config);
  const count = (batchSize: number) => countNetwork(network, data, { batchSize, keepRatio: 0.5 });

  let passes = 0; // FLOPs, none of them for a gradient
  const shape = [training.batchSize, data.numFrames, data.height, data.width, 1];
  const counted = (part: 'forwardFlops' | 'weakFlops') => (input: { noisy: tf.Tensor }) => {
    passes += count(input.noisy.shape[0]!)[part];
    return tf.zerosLike(input.noisy);
  };
  tf.tidy(() =>
    eflowLoss(
      { strong: counted('forwardFlops'), weak: counted('weakFlops') },
      { data: tf.zeros(shape), condition: tf.zeros([12], 'int32'), nullCondition: tf.fill([12], 10, 'int32') },
      drawEflow(createStream(1), shape, 0.1, objective),
      objective,
    ),
  );
  const { stepFlops, forwardFlops } = count(training.batchSize);
  expect(countStepFlops(config, network, 0.5)).toBeCloseTo(passes + stepFlops - forwardFlops, 3);
});
