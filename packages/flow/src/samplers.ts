import { type RandomStream, randomNormal, splitStream } from '@eflow/tensor';
import * as tf from '@tensorflow/tfjs-core';
import type { Network } from './network.ts';
import { interpolate, solutionMap } from './path.ts';

export interface SampleInput {
  /** x_1 ~ N(0, I), [B, ...]. */
  noise: tf.Tensor;
  /** c, [B, ...]. */
  condition: tf.Tensor;
  /** Steps from t = 1 to t = 0, equally long. */
  numSteps: number;
}

/** A sample and the number of network evaluations that it took. */
export interface Sample {
  /** [B, ...], owned by the caller. */
  data: tf.Tensor;
  nfe: number;
}

/** x <- g(x, t_i, t_{i+1}, c) along 1 = t_0 > ... > t_K = 0: one evaluation per step. Throws on numSteps below 1. */
export function sampleFewStep(network: Network, input: SampleInput): Sample {
  return walk('sampleFewStep', network, input, (x, velocityTo, t, s) => solutionMap(x, velocityTo(t, s), t, s));
}

/**
 * SoFlow's other sampler: jump from t_i to 0, mix with fresh noise to t_{i+1}, jump again. One evaluation per step.
 * Throws on numSteps below 1.
 */
export function sampleWithRenoising(network: Network, input: SampleInput & { stream: RandomStream }): Sample {
  return walk('sampleWithRenoising', network, input, (x, velocityTo, t, s, step) => {
    const end = tf.zerosLike(t);
    const data = solutionMap(x, velocityTo(t, end), t, end);
    return interpolate(data, randomNormal(splitStream(input.stream, step), x.shape), s);
  });
}

/**
 * Euler's method on the velocity N(x, t, t, c). With a guidanceScale w other than 1 each step takes a second,
 * unconditional evaluation: v = v_null + w (v_c - v_null) (Ho and Salimans, arXiv 2207.12598). A few-step network has
 * guidance trained in and wants w = 1. Throws on numSteps below 1.
 */
export function sampleEuler(
  network: Network,
  input: SampleInput & { guidanceScale?: number; nullCondition?: tf.Tensor },
): Sample {
  const { guidanceScale = 1, nullCondition } = input;
  if (guidanceScale !== 1 && !nullCondition) {
    throw new Error(`sampleEuler: guidanceScale ${guidanceScale} needs nullCondition, shaped like condition`);
  }
  return walk('sampleEuler', network, input, (x, velocityTo, t, s) => {
    const conditional = velocityTo(t, t);
    if (guidanceScale === 1) return solutionMap(x, conditional, t, s);
    const unconditional = velocityTo(t, t, nullCondition);
    const guided = tf.add(unconditional, tf.mul(tf.sub(conditional, unconditional), guidanceScale));
    return solutionMap(x, guided, t, s);
  });
}

/** N(x, t, s, c) at the walk's current x; c may be replaced. */
type VelocityTo = (timestep: tf.Tensor, targetTimestep: tf.Tensor, condition?: tf.Tensor) => tf.Tensor;

function walk(
  where: string,
  network: Network,
  { noise, condition, numSteps }: SampleInput,
  step: (x: tf.Tensor, velocityTo: VelocityTo, t: tf.Tensor, s: tf.Tensor, index: number) => tf.Tensor,
): Sample {
  if (!Number.isInteger(numSteps) || numSteps < 1) {
    throw new Error(`${where}: numSteps is ${numSteps}; expected an integer of at least 1`);
  }
  const batchSize = noise.shape[0]!;
  const time = (index: number) => tf.fill([batchSize], 1 - index / numSteps);
  let nfe = 0;
  let x = tf.clone(noise);
  for (let index = 0; index < numSteps; index++) {
    const velocityTo: VelocityTo = (timestep, targetTimestep, c = condition) => {
      nfe++;
      return network({ noisy: x, timestep, targetTimestep, condition: c });
    };
    const next = tf.tidy(() => step(x, velocityTo, time(index), time(index + 1), index));
    x.dispose();
    x = next;
  }
  return { data: x, nfe };
}
