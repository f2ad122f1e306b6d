import { type RandomStream, randomNormal, splitStream } from '@eflow/tensor';
import * as tf from '@tensorflow/tfjs-core';
import type { Condition, Network } from './network.ts';
import { interpolate, type Path } from './path.ts';
import { readNow } from './read-now.ts';
import { type SolutionMap, solutionMap, velocityFactor } from './solution-map.ts';
import { assertTimeGrid, timeGrid } from './time-grid.ts';

export interface SampleInput {
  /** x at the first time; x_1 ~ N(0, I) where that is 1. [B, ...]; stays the caller's. */
  noise: tf.Tensor;
  /** c, every leaf [B, ...]. */
  condition: Condition;
  /** The number of equal steps from 1 to 0, or their times, which fall within [0, 1], such as those of `timeGrid`. */
  steps: number | readonly number[];
  /** The form that the network was trained in; `euler` unless given. */
  map?: SolutionMap;
  /** Called after every step. */
  onStep?: (progress: SampleProgress) => void;
  /** Ends sampling before the next step: the sampler throws the signal's reason, and leaves no tensor. */
  signal?: AbortSignal;
}

export interface SampleProgress {
  /** Steps made, from 1. */
  step: number;
  numSteps: number;
  /** The time that x is at. */
  timestep: number;
  /** [B, ...]; the sampler's own: clone it to keep it. */
  x: tf.Tensor;
  /** Full passes so far. */
  nfe: number;
}

/** A sample and the number of network evaluations that it took. */
export interface Sample {
  /** [B, ...], owned by the caller. */
  data: tf.Tensor;
  /** Full passes of the network on the batch. */
  nfe: number;
  /** Passes of its weak path, which path-drop guidance takes. */
  weakNfe: number;
}

/** Guidance while sampling, for networks that were trained without: v = v_ref + scale (v_c - v_ref). */
export interface SampleGuidance {
  /** 1 is no guidance, and takes no second pass. */
  scale: number;
  /** What v_ref sees in place of `condition`, shaped like it: what stands for "none", or what a weak path was trained with. */
  nullCondition: Condition;
  /**
   * The weak path: v_ref is its velocity (SPRINT's path-drop guidance, arXiv 2510.21986), at about a third of a pass. Absent:
   * v_ref is the network's own without the condition (classifier-free guidance: Ho and Salimans, arXiv 2207.12598).
   */
  weak?: Network;
}

/**
 * x <- g(x, t_i, t_{i+1}, c) along the times: one evaluation per step. Throws on zero steps, on times that do not fall or
 * leave [0, 1], on a guidance scale (a few-step network has guidance trained in), and on NaN, where it can be read.
 */
export function sampleFewStep(network: Network, input: SampleInput): Sample {
  refuseGuidance('sampleFewStep', input);
  return walk('sampleFewStep', input, ({ x, t, s, rows, evaluate }) =>
    solutionMap(x, evaluate(network, x, t, s), rows(t), rows(s), input.map),
  );
}

/**
 * SoFlow's other sampler: jump from t_i to 0, mix with fresh noise to t_{i+1}, jump again. One evaluation per step; `path` is
 * that of the training, `linear` unless given. `stream` draws the noise: one stream for the batch, or one for each of its B
 * rows, so that a row does not depend on the others. Throws as `sampleFewStep` does, and unless there are as many streams as rows.
 */
export function sampleWithRenoising(
  network: Network,
  input: SampleInput & { stream: RandomStream | readonly RandomStream[]; path?: Path },
): Sample {
  refuseGuidance('sampleWithRenoising', input);
  const { stream, noise, map, path } = input;
  if (isList(stream) && stream.length !== noise.shape[0]) {
    throw new Error(
      `sampleWithRenoising: got ${stream.length} streams for ${noise.shape[0]} rows; expected one for each, or one for all`,
    );
  }
  return walk('sampleWithRenoising', input, ({ x, t, s, index, rows, evaluate }) => {
    const data = solutionMap(x, evaluate(network, x, t, 0), rows(t), rows(0), map);
    if (s === 0) return data;
    const draw = (from: RandomStream, shape: number[]) => randomNormal(splitStream(from, index), shape);
    const fresh = isList(stream) ? tf.stack(stream.map((row) => draw(row, x.shape.slice(1)))) : draw(stream, x.shape);
    return interpolate(data, fresh, rows(s), path);
  });
}

/**
 * Euler's method on the velocity: one evaluation per step, and with guidance a second one. Throws as `sampleFewStep` does, but
 * for the scale.
 */
export function sampleEuler(network: Network, input: SampleInput & { guidance?: SampleGuidance }): Sample {
  return walk('sampleEuler', input, ({ x, t, s, evaluate }) =>
    tf.add(x, tf.mul(velocityAt(network, input, evaluate, x, t), s - t)),
  );
}

/**
 * Heun's method: Euler's step, then again with the mean of the velocities at both of its ends; a step to t = 0 is Euler's
 * (Karras et al., arXiv 2206.00364, algorithm 1). 2 K - 1 evaluations of K steps, twice that with guidance. Throws as
 * `sampleEuler` does.
 */
export function sampleHeun(network: Network, input: SampleInput & { guidance?: SampleGuidance }): Sample {
  return walk('sampleHeun', input, ({ x, t, s, evaluate }) => {
    const start = velocityAt(network, input, evaluate, x, t);
    const euler = tf.add(x, tf.mul(start, s - t));
    if (s === 0) return euler;
    const end = velocityAt(network, input, evaluate, euler, s);
    return tf.add(x, tf.mul(tf.add(start, end), (s - t) / 2));
  });
}

/** N(x, t, s, c) of a network, counted as a full pass unless it is said to be a weak one; c may be replaced. */
type Evaluate = (
  network: Network,
  x: tf.Tensor,
  t: number,
  s: number,
  instead?: { condition: Condition; isWeak: boolean },
) => tf.Tensor;

function velocityAt(
  network: Network,
  { map = 'euler', guidance }: SampleInput & { guidance?: SampleGuidance },
  evaluate: Evaluate,
  x: tf.Tensor,
  t: number,
): tf.Tensor {
  const conditional = evaluate(network, x, t, t);
  const factor = velocityFactor(map);
  if (!guidance || guidance.scale === 1) return factor === 1 ? conditional : tf.mul(conditional, factor);
  const { weak, nullCondition } = guidance;
  const reference = evaluate(weak ?? network, x, t, t, { condition: nullCondition, isWeak: weak !== undefined });
  return tf.mul(tf.add(reference, tf.mul(tf.sub(conditional, reference), guidance.scale)), factor);
}

/** As Array.isArray, which does not tell readonly arrays apart in types. */
const isList = (stream: RandomStream | readonly RandomStream[]): stream is readonly RandomStream[] =>
  Array.isArray(stream);

/** JavaScript callers may hand one over. */
function refuseGuidance(where: string, input: SampleInput & { guidance?: unknown; guidanceScale?: unknown }): void {
  if (input.guidance === undefined && input.guidanceScale === undefined) return;
  throw new Error(
    `${where}: got guidance, which a few-step network has trained in; leave it out, or train with another objective.guidanceScale`,
  );
}

function walk(
  where: string,
  input: SampleInput & { guidance?: SampleGuidance },
  step: (at: {
    x: tf.Tensor;
    t: number;
    s: number;
    index: number;
    /** A time for every example of x, [B]. */
    rows: (time: number) => tf.Tensor1D;
    evaluate: Evaluate;
  }) => tf.Tensor,
): Sample {
  const times = typeof input.steps === 'number' ? timeGrid(input.steps) : input.steps;
  assertTimeGrid(where, times);
  const { guidance, signal, onStep } = input;
  if (guidance && !(guidance.scale >= 0 && Number.isFinite(guidance.scale))) {
    throw new Error(`${where}: guidance.scale is ${guidance.scale}; expected a finite number of at least 0; 1 is none`);
  }
  const numSteps = times.length - 1;
  const count = { nfe: 0, weakNfe: 0 };
  const rowsMade = new Map<number, tf.Tensor1D>(); // of the step at hand
  const rows = (time: number): tf.Tensor1D => {
    const made = rowsMade.get(time) ?? tf.fill<tf.Rank.R1>([input.noise.shape[0]!], time);
    rowsMade.set(time, made);
    return made;
  };
  const evaluate: Evaluate = (
    network,
    x,
    t,
    s,
    { condition, isWeak } = { condition: input.condition, isWeak: false },
  ) => {
    count[isWeak ? 'weakNfe' : 'nfe']++;
    return network({ noisy: x, timestep: rows(t), targetTimestep: rows(s), condition });
  };
  let x = tf.clone(input.noise);
  try {
    for (let index = 0; index < numSteps; index++) {
      signal?.throwIfAborted();
      const [t, s] = [times[index]!, times[index + 1]!];
      const next = tf.tidy(() => step({ x, t, s, index, rows, evaluate }));
      rowsMade.clear(); // the tidy has disposed of them
      x.dispose();
      x = next;
      onStep?.({ step: index + 1, numSteps, timestep: s, x, nfe: count.nfe });
    }
    assertNumbers(where, x);
  } catch (error) {
    x.dispose();
    throw error;
  }
  return { data: x, ...count };
}

function assertNumbers(where: string, x: tf.Tensor): void {
  const anyNaN = tf.tidy(() => tf.any(tf.isNaN(x))); // one value to read, not all of them
  const found = readNow(anyNaN)?.[0];
  anyNaN.dispose();
  if (!found) return;
  throw new Error(
    `${where}: the sample has NaN, so the network gave NaN; its weights are bad: take an earlier checkpoint`,
  );
}
