import { type Network, sampleEuler, sampleFewStep } from '@eflow/flow';
import * as tf from '@tensorflow/tfjs-core';
import type { Points } from './energy-distance.ts';
import { type Kind, OBJECTIVES } from './settings.ts';

/** Points from `noise` [B, 2]: along the velocity if that is all the network has learnt, or else by jumps. */
export function samplePoints(network: Network, kind: Kind, noise: tf.Tensor, numSteps: number): Points {
  return tf.tidy(() => {
    const sample = OBJECTIVES[kind].learnsJumps ? sampleFewStep : sampleEuler;
    const condition = tf.zeros([noise.shape[0]!], 'int32');
    return sample(network, { noise, condition, steps: numSteps }).data.dataSync();
  });
}
