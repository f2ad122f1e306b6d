import { type RandomStream, randomNormal, refuseUnknownKeys, splitStream } from '@eflow/tensor';
import * as tf from '@tensorflow/tfjs-core';
import type { Condition, Network } from './network.ts';
import { interpolate, type Path } from './path.ts';
import { readNow } from './read-now.ts';
import { asVelocity, type SolutionMap, solutionMap } from './solution-map.ts';
import { assertTimeGrid, timeGrid } from './time-grid.ts';

export interface SampleInput {
  /** x at the first time; x_1 ~ N(0, I) where that is 1. [B, ...]; stays the caller's. */
  noise: tf.Tensor;
  /** c, every leaf [B, ...]; none unless given. */
  condition?: Condition;
  /**
   * The number of equal steps from 1 to 0, or their times, which fall within [0, 1], such as those of `timeGrid`. `DEFAULT_STEPS` of the
   * sampler unless given.
   */
  steps?: number | readonly number[];
  /** The form that the network was trained in; `euler` unless given. */
  map?: SolutionMap;
  /** For a network that takes its guidance scale as an input, which needs it. */
  guidance?: InputGuidance;
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

/** The scale at which a network is asked that takes it as an input: one pass an evaluation, as without. */
export interface InputGuidance {
  /** A finite number of at least 1, within the range that the network was trained on. */
  scale: number;
  nullCondition?: undefined;
  weak?: undefined;
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

/** The samplers' steps unless given: four jumps; along the velocity as many as take 50 passes, or one pass fewer. */
export const DEFAULT_STEPS = { sampleFewStep: 4, sampleWithRenoising: 4, sampleEuler: 50, sampleHeun: 25 } as const;

type Sampler = keyof typeof DEFAULT_STEPS;

/**
 * x <- g(x, t_i, t_{i+1}, c) along the times: one evaluation per step. Throws on zero steps, on times that do not fall or
 * leave [0, 1], on guidance by a second pass (a few-step network has guidance trained in), on an unknown option, and on NaN, where it
 * can be read.
 */
export function sampleFewStep(network: Network, input: SampleInput): Sample {
  refuseSecondPass('sampleFewStep', input);
  return walk('sampleFewStep', network, input, ({ x, t, s, jump }) => jump(x, t, s));
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
  refuseSecondPass('sampleWithRenoising', input);
  const { stream, noise, path } = input;
  if (isList(stream) && stream.length !== noise.shape[0]) {
    throw new Error(
      `sampleWithRenoising: got ${stream.length} streams for ${noise.shape[0]} rows; expected one for each, or one for all`,
    );
  }
  return walk('sampleWithRenoising', network, input, ({ x, t, s, index, jump, rows }) => {
    const data = jump(x, t, 0);
    if (s === 0) return data;
    const draw = (from: RandomStream, shape: number[]) => randomNormal(splitStream(from, index), shape);
    const fresh = isList(stream) ? tf.stack(stream.map((row) => draw(row, x.shape.slice(1)))) : draw(stream, x.shape);
    return interpolate(data, fresh, rows(s), path);
  });
}

/**
 * Euler's method on the velocity: one evaluation per step, and with guidance by a second pass two. Throws as `sampleFewStep` does, but
 * for that guidance.
 */
export function sampleEuler(network: Network, input: GuidedInput): Sample {
  return walk('sampleEuler', network, input, ({ x, t, s, velocity }) => tf.add(x, tf.mul(velocity(x, t), s - t)));
}

/**
 * Heun's method: Euler's step, then again with the mean of the velocities at both of its ends; a step to t = 0 is Euler's
 * (Karras et al., arXiv 2206.00364, algorithm 1). 2 K - 1 evaluations of K steps, twice that with guidance by a second
 * pass. Throws as `sampleEuler` does.
 */
export function sampleHeun(network: Network, input: GuidedInput): Sample {
  return walk('sampleHeun', network, input, ({ x, t, s, velocity }) => {
    const start = velocity(x, t);
    const euler = tf.add(x, tf.mul(start, s - t));
    if (s === 0) return euler;
    const end = velocity(euler, s);
    return tf.add(x, tf.mul(tf.add(start, end), (s - t) / 2));
  });
}

type GuidedInput = Omit<SampleInput, 'guidance'> & { guidance?: InputGuidance | SampleGuidance };

const isInput = (guidance: InputGuidance | SampleGuidance): guidance is InputGuidance =>
  guidance.nullCondition === undefined && guidance.weak === undefined;

/** A step from x at t to s, and what it may ask the network, by its own count. */
interface Step {
  x: tf.Tensor;
  t: number;
  s: number;
  index: number;
  /** g(x, t, s, c). */
  jump(x: tf.Tensor, t: number, s: number): tf.Tensor;
  /** The velocity of x at t, guided where guidance is asked for. */
  velocity(x: tf.Tensor, t: number): tf.Tensor;
  /** A number for every example of x, such as a time, [B]. */
  rows(value: number): tf.Tensor1D;
}

const OPTIONS = ['noise', 'condition', 'steps', 'map', 'guidance', 'onStep', 'signal'];

/** Takes `step` along the times, and counts the passes. */
function walk(where: Sampler, network: Network, input: GuidedInput, step: (at: Step) => tf.Tensor): Sample {
  refuseUnknownKeys(where, input, where === 'sampleWithRenoising' ? [...OPTIONS, 'stream', 'path'] : OPTIONS);
  const { noise, condition = {}, steps = DEFAULT_STEPS[where], map = 'euler', guidance, signal, onStep } = input;
  const times = typeof steps === 'number' ? timeGrid(steps) : steps;
  assertTimeGrid(where, times);
  if (guidance) assertGuidance(where, guidance);
  const numSteps = times.length - 1;
  const count = { nfe: 0, weakNfe: 0 };
  const rowsMade = new Map<number, tf.Tensor1D>(); // of the step at hand
  const rows = (value: number): tf.Tensor1D => {
    const made = rowsMade.get(value) ?? tf.fill<tf.Rank.R1>([noise.shape[0]!], value);
    rowsMade.set(value, made);
    return made;
  };
  const predict = (x: tf.Tensor, t: number, s: number) => {
    count.nfe++;
    const scale = guidance && isInput(guidance) ? { guidanceScale: rows(guidance.scale) } : {};
    return network({ noisy: x, timestep: rows(t), targetTimestep: rows(s), condition, ...scale });
  };
  const reference = (x: tf.Tensor, t: number, { weak, nullCondition }: SampleGuidance) => {
    count[weak ? 'weakNfe' : 'nfe']++;
    return (weak ?? network)({ noisy: x, timestep: rows(t), targetTimestep: rows(t), condition: nullCondition });
  };
  const jump = (x: tf.Tensor, t: number, s: number) => solutionMap(x, predict(x, t, s), rows(t), rows(s), map);
  const velocity = (x: tf.Tensor, t: number) => {
    const conditional = predict(x, t, t);
    if (!guidance || isInput(guidance) || guidance.scale === 1) return asVelocity(conditional, map);
    const without = reference(x, t, guidance);
    return asVelocity(tf.add(without, tf.mul(tf.sub(conditional, without), guidance.scale)), map);
  };

  let x = tf.clone(noise);
  try {
    for (let index = 0; index < numSteps; index++) {
      signal?.throwIfAborted();
      const [t, s] = [times[index]!, times[index + 1]!];
      const next = tf.tidy(() => step({ x, t, s, index, jump, velocity, rows }));
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

/** As Array.isArray, which does not tell readonly arrays apart in types. */
const isList = (stream: RandomStream | readonly RandomStream[]): stream is readonly RandomStream[] =>
  Array.isArray(stream);

/** JavaScript callers may ask for it. */
function refuseSecondPass(where: string, { guidance }: SampleInput): void {
  if (!guidance || isInput(guidance)) return;
  throw new Error(
    `${where}: got guidance by a second pass, which a few-step network has trained in; leave it out, or give its scale alone to a network trained on a range, such as objective.guidanceScale={ min: 1, max: 4 }`,
  );
}

function assertGuidance(where: string, guidance: InputGuidance | SampleGuidance): void {
  refuseUnknownKeys(`${where}: guidance`, guidance, ['scale', 'nullCondition', 'weak']);
  const least = isInput(guidance) ? 1 : 0;
  if (guidance.scale >= least && Number.isFinite(guidance.scale)) return;
  throw new Error(
    `${where}: guidance.scale is ${guidance.scale}; expected a finite number of at least ${least}; 1 is none`,
  );
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
