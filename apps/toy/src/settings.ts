import { OBJECTIVES as ALL, type ObjectiveSpec, objectiveSchema } from '@eflow/flow';

export type Kind = ObjectiveSpec['kind'];

/** There is no condition to drop, and none to guide towards. */
const UNGUIDED = { classDropoutProb: 0, pathDropProb: 0, guidanceScale: 1, targetMixRatio: 1 };

/** The objectives under study: their defaults without guidance, but for WEIGHT_POWER. */
export const OBJECTIVES = Object.fromEntries(
  ALL.map(({ kind, name, schema, learnsJumps }) => {
    const options = Object.entries(UNGUIDED).filter(([option]) => option in schema.shape);
    return [kind, { name, spec: objectiveSchema.parse({ kind, ...Object.fromEntries(options) }), learnsJumps }];
  }),
) as Record<Kind, { name: string; spec: ObjectiveSpec; learnsJumps: boolean }>;

export const KINDS = Object.keys(OBJECTIVES) as Kind[];

/**
 * Power of the loss' adaptive weight, the one default that is not kept. Where an example is two numbers, the square of its
 * residual varies so much that a weight of its inverse draws the velocity from the mean of those that meet in a point to the
 * commonest, and more steps make samples worse.
 */
export const WEIGHT_POWER = 0;

/** Alike for all objectives. */
export const TRAINING = {
  batchSize: 256,
  learningRate: 5e-3,
  warmupSteps: 100,
  betas: [0.9, 0.99] as const,
  clipNorm: 1,
  emaDecay: 0.999,
};

/** Numbers of steps to sample with. */
export const NUM_STEPS = [1, 2, 4, 8, 50];
/** Points that a distance is measured with, of each of the two sets. */
export const NUM_POINTS = 4096;
