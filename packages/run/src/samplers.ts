import {
  type Condition,
  createObjective,
  type GuidanceRange,
  type InputGuidance,
  type Network,
  type NetworkInput,
  objectiveKind,
  type Sample,
  type SampleGuidance,
  sampleEuler,
  sampleFewStep,
  sampleHeun,
  sampleWithRenoising,
  solutionNetworks,
  type TimeGrid,
  timeGrid,
} from '@eflow/flow';
import { type Compile, createStream, type RandomStream } from '@eflow/tensor';
import {
  bindVideoDiT,
  type FullVideoDiTConfig,
  nullCondition,
  type VideoDiTCondition,
  type VideoDiTParams,
} from '@eflow/video-dit';
import * as tf from '@tensorflow/tfjs-core';
import { trainedRange } from './build.ts';
import type { RunConfig } from './config.ts';

/**
 * `few-step` jumps t -> s, `renoise` jumps to 0 and mixes with fresh noise; `euler` and `heun` follow the velocity.
 */
export const SAMPLERS = ['few-step', 'renoise', 'euler', 'heun'] as const;
export type Sampler = (typeof SAMPLERS)[number];

/**
 * `classifier-free`, by a second pass without the condition; `path-drop`, by the weak path; or `input`, the scale as an input of the
 * network, which a range as objective.guidanceScale trains.
 */
export const GUIDANCE_KINDS = ['classifier-free', 'path-drop', 'input'] as const;

/** How to sample. */
export interface SamplerSpec {
  sampler: Sampler;
  numSteps: number;
  /** Uniform unless given. */
  grid?: TimeGrid;
  /** By a second pass for networks that were trained without guidance; `input` unless given for those trained on a range. */
  guidance?: { kind: (typeof GUIDANCE_KINDS)[number]; scale: number };
}

type Objective = RunConfig['objective'];

/** A sampler as a command line gives it. */
export interface SamplerFlags {
  /** The objective's own unless given. */
  sampler?: Sampler;
  /** `uniform`, `quadratic`, or `shifted:` and a positive number. */
  grid?: string;
  guidance?: (typeof GUIDANCE_KINDS)[number];
  guidanceScale?: number;
}

/** The spec of `numSteps` steps that flags ask for. Throws on a grid that there is not, and as `checkSampler` does. */
export function samplerSpec(objective: Objective, numSteps: number, flags: SamplerFlags): SamplerSpec {
  const { sampler = defaultSampler(objective), grid = 'uniform' } = flags;
  const range = trainedRange(objective);
  const { guidance: kind = range ? 'input' : 'classifier-free', guidanceScale: scale = range?.default } = flags;
  const spec = {
    sampler,
    numSteps,
    grid: parseGrid(grid),
    ...(scale !== undefined && { guidance: { kind, scale } }),
  };
  checkSampler(objective, spec);
  return spec;
}

function parseGrid(text: string): TimeGrid {
  const [kind, shift] = text.split(':');
  if (kind === 'shifted' && shift) return { kind, shift: Number(shift) };
  if ((kind === 'uniform' || kind === 'quadratic') && shift === undefined) return { kind };
  throw new Error(`grid '${text}': expected uniform, quadratic, or shifted with its factor, such as shifted:3`);
}

/** The sampler that an objective trains for: jumps where it learns jumps. */
export const defaultSampler = ({ kind }: Objective): Sampler =>
  objectiveKind(kind).learnsJumps ? 'few-step' : 'euler';

export interface SamplingOptions {
  /** Draws the noise that `renoise` adds on the way: one stream for all clips, or one for each. The others take none. */
  stream?: RandomStream | readonly RandomStream[];
  /** Called after every step. */
  onStep?: (progress: { step: number; numSteps: number }) => void;
}

/**
 * From noise [B, F, H, W, C] and what each clip is to show to clips [B, F, H, W, C], which the caller owns. A function of its
 * arguments alone, so that the whole of it can be exported as a model.
 */
export type SampleFunction = (
  params: VideoDiTParams,
  noise: tf.Tensor,
  condition: VideoDiTCondition,
  options?: SamplingOptions,
) => tf.Tensor;

/**
 * The sampler over a network that was trained with an objective. With `compile` it loops over its steps in JavaScript and calls
 * the compiled network, one graph for all steps, however many: compiled as a whole, a sampler would be unrolled.
 * Throws as `checkSampler` does.
 */
export function createSample(
  network: FullVideoDiTConfig,
  objective: Objective,
  spec: SamplerSpec,
  compile: Compile = (fn) => fn,
): SampleFunction {
  checkSampler(objective, spec);
  const { map } = createObjective(objective);
  const bind = (params: VideoDiTParams) => solutionNetworks(bindVideoDiT(params, network), network.predicts, map);
  const strong = compile((params: VideoDiTParams, input: NetworkInput) => bind(params).strong(input));
  const weak = compile((params: VideoDiTParams, input: NetworkInput) => bind(params).weak(input));
  return (params, noise, condition, options = {}) =>
    tf.tidy(() => {
      const bound = {
        strong: (input: NetworkInput) => strong(params, input),
        weak: (input: NetworkInput) => weak(params, input),
      };
      const without = nullCondition(network, condition);
      return run(bound, { noise, condition, nullCondition: without }, objective, spec, options).data;
    });
}

/** Network passes of one sample: full ones, and of the weak path. Throws as `checkSampler` does. */
export function countEvaluations(objective: Objective, spec: SamplerSpec): { nfe: number; weakNfe: number } {
  checkSampler(objective, spec);
  return tf.tidy(() => {
    const nothing: Network = ({ noisy }) => tf.zerosLike(noisy);
    const one = tf.zeros([1]);
    const { nfe, weakNfe } = run(
      { strong: nothing, weak: nothing },
      { noise: one, condition: one, nullCondition: one },
      objective,
      spec,
      { stream: createStream(0) },
    );
    return { nfe, weakNfe };
  });
}

/** Full network passes, and those of the weak path beside them, as tables show them. */
export const formatEvaluations = ({ nfe, weakNfe }: { nfe: number; weakNfe: number }): string =>
  weakNfe > 0 ? `${nfe} + ${weakNfe} weak` : String(nfe);

function run(
  { strong, weak }: { strong: Network; weak: Network },
  { noise, condition, nullCondition }: { noise: tf.Tensor; condition: Condition; nullCondition: Condition },
  objective: Objective,
  { sampler, numSteps, grid, guidance }: SamplerSpec,
  { stream, onStep }: SamplingOptions,
): Sample {
  const { map } = createObjective(objective);
  const input = { noise, condition, steps: timeGrid(numSteps, grid), map, ...(onStep && { onStep }) };
  const range = trainedRange(objective);
  const scaleInput: InputGuidance | undefined = range && { scale: guidance?.scale ?? range.default };
  const isPathDrop = guidance?.kind === 'path-drop';
  // The weak path is asked as it was trained.
  const weakSees = 'weakCondition' in objective && objective.weakCondition === 'same' ? condition : nullCondition;
  const secondPass: SampleGuidance | undefined = guidance && {
    scale: guidance.scale,
    nullCondition: isPathDrop ? weakSees : nullCondition,
    ...(isPathDrop && { weak }),
  };
  switch (sampler) {
    case 'few-step':
      return sampleFewStep(strong, { ...input, guidance: scaleInput });
    case 'renoise':
      if (!stream) throw new Error("createSample: the sampler 'renoise' draws noise; give it a stream");
      return sampleWithRenoising(strong, { ...input, guidance: scaleInput, stream, path: objective.path });
    case 'euler':
      return sampleEuler(strong, { ...input, guidance: scaleInput ?? secondPass });
    case 'heun':
      return sampleHeun(strong, { ...input, guidance: scaleInput ?? secondPass });
    default:
      throw new Error(`sampler '${sampler satisfies never}': expected one of ${SAMPLERS.join(', ')}`);
  }
}

/**
 * Throws where a network cannot be sampled so: jumps from one that learnt velocities alone, guidance of one that has it
 * trained in or of a few-step sampler, guidance by what was never trained, a scale out of the trained range, bad steps.
 */
export function checkSampler(objective: Objective, { sampler, numSteps, grid, guidance }: SamplerSpec): void {
  timeGrid(numSteps, grid);
  const jumps = sampler === 'few-step' || sampler === 'renoise';
  if (jumps && !objectiveKind(objective.kind).learnsJumps) {
    throw new Error(
      `sampler '${sampler}': a network trained with ${objective.kind} knows no jumps; take euler or heun`,
    );
  }
  if (guidance && !(guidance.scale >= 0 && Number.isFinite(guidance.scale))) {
    throw new Error(`guidance scale ${guidance.scale}: expected a finite number of at least 0; 1 is none`);
  }
  if (!guidance) return;
  const asked = `guidance scale ${guidance.scale}`;
  const range = trainedRange(objective);
  if (range) checkScaleInput(asked, guidance, range);
  if (range || guidance.scale === 1) return;
  const how = "train a network that takes the scale as an input: objective.guidanceScale='{ min: 1, max: 4 }'";
  if (jumps) {
    throw new Error(
      `${asked}: the sampler '${sampler}' takes none, as jumps have guidance trained in; leave it out, or ${how}`,
    );
  }
  if (guidance.kind === 'input') {
    throw new Error(
      `${asked}: this network does not take the scale as an input; choose another kind of guidance, or ${how}`,
    );
  }
  if ('guidanceScale' in objective && objective.guidanceScale !== 1) {
    throw new Error(
      `${asked}: this network has the scale ${objective.guidanceScale} trained in (objective.guidanceScale); leave it out`,
    );
  }
  const trained = guidance.kind === 'path-drop' ? 'pathDropProb' : 'classDropoutProb';
  if (objective[trained] === 0) {
    throw new Error(`${asked}: ${guidance.kind} guidance needs a network trained with objective.${trained} above 0`);
  }
}

/** Guidance of a network that takes the scale as an input. */
function checkScaleInput(
  asked: string,
  { kind, scale }: Required<SamplerSpec>['guidance'],
  { min, max }: GuidanceRange,
) {
  if (kind !== 'input') {
    throw new Error(
      `${asked}: ${kind} guidance is for networks without guidance, and this one has the scales ${min} to ${max} trained in; leave the kind out`,
    );
  }
  if (scale >= min && scale <= max) return;
  throw new Error(
    `${asked}: this network was trained on scales from ${min} to ${max} (objective.guidanceScale); take one of these`,
  );
}
