import { z } from 'zod';
import { PATHS } from './path.ts';
import { SOLUTION_MAPS } from './solution-map.ts';
import type { LogitNormal } from './time-sampler.ts';

// Options that several kinds of objectives have: ranges, defaults and what they are, told here once.

export const positive = z.number().positive();
const share = z.number().min(0).max(1);

export const logitNormal = (mean: number, std: number) =>
  z.strictObject({ mean: z.number().default(mean), std: positive.default(std) }).prefault({});

/** The options of every objective; the defaults are SoFlow's times and weighting (arXiv 2512.15657) unless given. */
export const commonOptions = ({
  classDropoutProb = 0.1,
  pathDropProb = 0,
  velocityTime = { mean: -0.2, std: 1 } as LogitNormal,
  weightPower = 1,
} = {}) => ({
  path: z.enum(PATHS).default('linear').describe('how noise takes the place of data'),
  classDropoutProb: share
    .default(classDropoutProb)
    .describe('share of the rows that lose their condition; guidance by full passes needs it'),
  pathDropProb: share
    .default(pathDropProb)
    .describe('share of the velocity rows that train the weak path, the middle blocks skipped'),
  velocityTime: logitNormal(velocityTime.mean, velocityTime.std).describe('t of the velocity rows'),
  weightPower: z
    .number()
    .min(0)
    .default(weightPower)
    .describe('p of w(d) = 1 / (mean(d^2) + eps)^p; 0: all rows alike'),
  weightEps: positive.default(0.01).describe('eps of w(d)'),
});

/** The form of the solution map, of kinds that may choose. */
export const mapOption = z.enum(SOLUTION_MAPS).default('euler').describe('form of the solution map');

const guidanceScale = z.number().min(1);

/** A range of guidance scales. Our choice: `default` is the middle of its logarithm unless given. */
const guidanceScaleOption = z
  .union(
    [
      guidanceScale,
      z.strictObject({ min: guidanceScale.default(1), max: z.number().gt(1), default: z.number().optional() }),
    ],
    'expected a number of at least 1, or a range from at least 1, such as { min: 1, max: 4, default: 2 }',
  )
  .transform((given, context) => {
    if (typeof given === 'number') return given;
    const { min, max, default: scale = Math.sqrt(min * max) } = given;
    if (min <= scale && scale <= max) return { min, max, default: scale };
    context.addIssue('expected min <= default <= max, such as { min: 1, max: 4, default: 2 }');
    return z.NEVER;
  });

/** The options of the kinds that learn jumps. Guidance is trained in, so that sampling needs one pass per step. */
export const jumpOptions = {
  velocityRatio: share
    .default(0.75)
    .describe('share of the rows that train the velocity, between 0 and 1; the others train jumps'),
  // Our choice: a jump is learnt from the velocity, so it is worth little before that is.
  velocityWarmup: z
    .number()
    .min(0)
    .lt(1)
    .default(0)
    .describe('share of the steps in which all rows train the velocity, before any train jumps'),
  guidanceScale: guidanceScaleOption
    .default(3)
    .describe(
      'omega, trained in; 1 is no guidance, and costs none. A range makes it an input of the network: samplers take any in it, `default` unless told',
    ),
  // Our choice: while the reference has learnt nothing, v - v_ref is v itself, and the guided velocity would be a target twice
  // too long, to be unlearnt later.
  guidanceWarmup: share
    .default(0)
    .describe('share of the steps over which the scale, or the top of its range, rises from 1'),
  targetMixRatio: z
    .number()
    .gt(0)
    .max(1)
    .default(0.25)
    .describe("mu, the share of the guided velocity in the target; the rest is the network's own"),
};

type Output<Shape extends z.ZodRawShape> = z.output<z.ZodObject<Shape>>;
type CommonOptions = Output<ReturnType<typeof commonOptions>>;

/** What the draws of a batch depend on. */
export type DrawOptions = Pick<CommonOptions, 'classDropoutProb' | 'pathDropProb' | 'velocityTime'>;

/** w(d) = 1 / (mean(d^2) + eps)^power, per example (MeanFlow: Geng et al., arXiv 2505.13447). */
export type Weighting = Pick<CommonOptions, 'weightPower' | 'weightEps'>;

/** Scales of guidance that a network is trained on, and the one that samplers take unless told. */
export type GuidanceRange = Exclude<Output<typeof jumpOptions>['guidanceScale'], number>;

/** Guidance that is trained in. */
export type GuidanceOptions = Pick<Output<typeof jumpOptions>, 'guidanceScale' | 'guidanceWarmup' | 'targetMixRatio'>;
