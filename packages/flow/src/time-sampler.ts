import { type RandomStream, randomNormal, randomUniform, splitStream } from '@eflow/tensor';
import * as tf from '@tensorflow/tfjs-core';

/** A normal distribution squashed by the sigmoid: its mean and standard deviation before squashing. */
export interface LogitNormal {
  mean: number;
  std: number;
}

/** Times and their targets, each [rows]: s < t, s <= l < t and s <= m <= t. */
export type JumpTimes = {
  /** t */
  timestep: tf.Tensor;
  /** s */
  targetTimestep: tf.Tensor;
  /** l, close to t: where the consistency target starts. */
  nearTimestep: tf.Tensor;
  /** m, uniform between s and t: where the long jump is cut in two. */
  middleTimestep: tf.Tensor;
};

/** The least distance of two times, so that differences may be divided by it. */
export const MIN_INTERVAL = 1e-4;

/** Samples in (0, 1), [rows], owned by the caller. */
export function sampleLogitNormal(stream: RandomStream, rows: number, { mean, std }: LogitNormal): tf.Tensor {
  return tf.tidy(() => tf.sigmoid(tf.add(tf.mul(randomNormal(stream, [rows]), std), mean)));
}

/** Distance of t and l as a share of that of t and s, at the start and at the end of training. */
export interface IntervalRange {
  start: number;
  end: number;
}

/** SoFlow's interval schedule: falls exponentially from `start` to `end` while progress goes from 0 to 1. */
export function intervalRatio(progress: number, { start, end }: IntervalRange): number {
  return start * (end / start) ** progress;
}

/**
 * Times for SoFlow's loss (arXiv 2512.15657, section 4): t logit-normal and at least 1e-4, s logit-normal but at most
 * t - 1e-4, l = t + (s - t) ratio but at most t - 1e-4, m uniform between s and t. The caller owns the four tensors.
 */
export function sampleSolutionTimes(
  stream: RandomStream,
  rows: number,
  options: { time: LogitNormal; targetTime: LogitNormal; ratio: number | tf.Scalar },
): JumpTimes {
  return tf.tidy(() => {
    const timestep = tf.maximum(sampleLogitNormal(splitStream(stream, 't'), rows, options.time), MIN_INTERVAL);
    const latest = tf.sub(timestep, MIN_INTERVAL);
    const targetTimestep = tf.minimum(sampleLogitNormal(splitStream(stream, 's'), rows, options.targetTime), latest);
    const interval = tf.sub(timestep, targetTimestep);
    const near = tf.sub(timestep, tf.mul(interval, options.ratio));
    const nearTimestep = tf.minimum(tf.maximum(near, targetTimestep), latest);
    return { timestep, targetTimestep, nearTimestep, middleTimestep: drawMiddle(stream, timestep, targetTimestep) };
  });
}

/**
 * Times for MeanFlow's loss (arXiv 2505.13447, section 4.3): the larger and the smaller of two logit-normal draws, t in
 * [2 gap, 1 - gap] and s at most t - gap, so that t may be moved by `gap` to both sides; l = t - gap, m uniform between s
 * and t. gap in (0, 1/3). The caller owns the four tensors.
 */
export function sampleSortedTimes(
  stream: RandomStream,
  rows: number,
  { time, gap }: { time: LogitNormal; gap: number },
): JumpTimes {
  return tf.tidy(() => {
    const [one, other] = ['t', 's'].map((label) => sampleLogitNormal(splitStream(stream, label), rows, time));
    const timestep = tf.clipByValue(tf.maximum(one!, other!), 2 * gap, 1 - gap);
    const nearTimestep = tf.sub(timestep, gap);
    const targetTimestep = tf.minimum(tf.minimum(one!, other!), nearTimestep);
    return { timestep, targetTimestep, nearTimestep, middleTimestep: drawMiddle(stream, timestep, targetTimestep) };
  });
}

function drawMiddle(stream: RandomStream, timestep: tf.Tensor, targetTimestep: tf.Tensor): tf.Tensor {
  const share = randomUniform(splitStream(stream, 'm'), [timestep.size]);
  return tf.minimum(tf.add(targetTimestep, tf.mul(share, tf.sub(timestep, targetTimestep))), timestep);
}
