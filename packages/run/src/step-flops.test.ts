import { createObjective } from '@eflow/flow';
import { createStream } from '@eflow/tensor';
import { countNetwork } from '@eflow/video-dit';
import * as tf from '@tensorflow/tfjs-core';
import { expect, it } from 'vitest';
import { videoDiTConfig } from './build.ts';
import { loadConfig } from './load-config.ts';
import { countStepFlops } from './step-flops.ts';

const TINY = [
  ...['data.numFrames=2', 'data.height=8', 'data.width=8', 'data.digitSize=7', 'network.patchSize=2,4,4'],
  ...['network.hiddenSize=12', 'network.depth=1,1,1', 'network.numHeads=2', 'network.attention.windowSize=3'],
  ...['training.branches=1', 'objective.velocityWarmup=0'],
];

it.each([
  ['kind=eflow', 'guidanceScale=2', 'targetMixRatio=0.25'],
  ['kind=eflow', 'guidanceScale=1', 'additivityWeight=0'],
  ['kind=eflow', 'guidanceReference=unconditional', 'classDropoutProb=0.1'],
  ['kind=solutionFlow', 'guidanceScale=2', 'targetMixRatio=0.25'],
  ['kind=meanFlow', 'guidanceScale=2', 'targetMixRatio=0.25'],
  ['kind=splitMeanFlow', 'guidanceScale=2', 'targetMixRatio=0.25'],
  ['kind=flowMatching', 'path=trigonometric', 'map=trigonometric'],
])('counts the passes that the loss makes, with %s, %s and %s', (...changes) => {
  const overrides = changes.map((change) => `objective.${change}`);
  const config = loadConfig('digits-tiny', [...TINY, 'training.batchSize=12', ...overrides]);
  const { data, training } = config;
  const network = videoDiTConfig(config);
  const count = (batchSize: number) => countNetwork(network, data, { batchSize, keepRatio: 0.5 });

  let passes = 0; // FLOPs, none of them for a gradient
  const shape = [training.batchSize, data.numFrames, data.height, data.width, 1];
  const counted = (part: 'forwardFlops' | 'weakFlops') => (input: { noisy: tf.Tensor }) => {
    passes += count(input.noisy.shape[0]!)[part];
    return tf.zerosLike(input.noisy);
  };
  tf.tidy(() => {
    const objective = createObjective(config.objective);
    const schedule = objective.scheduleAt(1);
    objective.loss(
      { strong: counted('forwardFlops'), weak: counted('weakFlops') },
      { data: tf.zeros(shape), condition: tf.zeros([12], 'int32'), nullCondition: tf.fill([12], 10, 'int32') },
      objective.draw(createStream(1), shape, schedule),
      schedule,
    );
  });
  const { stepFlops, forwardFlops } = count(training.batchSize);
  expect(countStepFlops(config, network, 0.5)).toBeCloseTo(passes + stepFlops - forwardFlops, 3);
});

it('is the mean over the stages of a training', () => {
  const flops = (...changes: string[]) => {
    const config = loadConfig('digits-tiny', [...TINY, 'training.batchSize=12', 'training.steps=10', ...changes]);
    return countStepFlops(config, videoDiTConfig(config));
  };
  const [velocities, jumps] = [flops('objective.velocityWarmup=0.95'), flops()];
  expect(velocities).toBeLessThan(0.9 * jumps);
  expect(flops('objective.velocityWarmup=0.7')).toBeCloseTo(0.7 * velocities + 0.3 * jumps, 3);
  const dropped = flops('training.keepRatio=0.25');
  expect(dropped).toBeLessThan(jumps);
  expect(flops('training.keepRatio=0.25', 'training.denseTail=0.4')).toBeCloseTo(0.6 * dropped + 0.4 * jumps, 3);
});
