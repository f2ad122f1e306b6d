import { type RandomStream, randomUniform, splitStream } from '@eflow/tensor';
import * as tf from '@tensorflow/tfjs-core';
import type { GuidanceOptions } from './options.ts';
import { perExample } from './path.ts';

/** Time after which guidance fades, and how fast (SoFlow's code). */
const FADE_START = 0.8;
const FADE_RATE = 0.025;

/** omega after this share of the training; the largest where it is drawn from a range. */
export function guidanceScaleAt(progress: number, { guidanceScale, guidanceWarmup }: GuidanceOptions): number {
  const full = typeof guidanceScale === 'number' ? guidanceScale : guidanceScale.max;
  return 1 + (full - 1) * (progress < guidanceWarmup ? progress / guidanceWarmup : 1);
}

/**
 * omega of every row, log-uniform (iMF: Geng et al., arXiv 2512.02012) from the range's `min` to `largest`, or `largest` alone while
 * that is below `min`: [rows], owned by the caller. None where the scale is no range.
 */
export function drawGuidanceScale(
  stream: RandomStream,
  rows: number,
  largest: number | tf.Scalar,
  { guidanceScale }: Pick<GuidanceOptions, 'guidanceScale'>,
): { guidanceScale?: tf.Tensor } {
  if (typeof guidanceScale === 'number') return {};
  return tf.tidy(() => {
    const least = tf.minimum(guidanceScale.min, largest);
    const share = randomUniform(splitStream(stream, 'guidanceScale'), [rows]);
    return { guidanceScale: tf.minimum(tf.mul(least, tf.pow(tf.div(largest, least), share)), largest) };
  });
}

/** k(t) = 1 up to t = 0.8, then 1 - exp(-0.025 d / (1 - d)) with d = (1 - t) / 0.2: timestep [B] -> [B]. */
export function guidanceFade(timestep: tf.Tensor): tf.Tensor {
  return tf.tidy(() => {
    const d = tf.minimum(tf.div(tf.sub(1, timestep), 1 - FADE_START), 1 - 1e-6);
    const faded = tf.sub(1, tf.exp(tf.mul(tf.div(d, tf.sub(1, d)), -FADE_RATE)));
    return tf.where(tf.greater(timestep, FADE_START), faded, tf.onesLike(timestep));
  });
}

/**
 * v_cfg = v + k(t) (omega - 1) (v - v_ref): the velocity moved away from a weaker prediction. velocity and
 * reference [B, ...], timestep [B], a guidance scale for all or [B]; the caller owns the result.
 */
export function guidedVelocity(
  velocity: tf.Tensor,
  reference: tf.Tensor,
  timestep: tf.Tensor,
  guidanceScale: number | tf.Tensor,
): tf.Tensor {
  return tf.tidy(() => {
    const excess = typeof guidanceScale === 'number' ? guidanceScale - 1 : tf.sub(guidanceScale, 1);
    const strength = tf.mul(guidanceFade(timestep), excess);
    return tf.add(velocity, tf.mul(perExample(strength, velocity.rank), tf.sub(velocity, reference)));
  });
}
