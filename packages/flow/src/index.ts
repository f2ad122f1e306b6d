// What users need: objectives, networks as they are called and what they predict, samplers.

export {
  countPasses,
  createObjective,
  DEFAULT_OBJECTIVE,
  LOSS_TERMS,
  type LossTerm,
  OBJECTIVES,
  type ObjectiveSpec,
  objectiveKind,
  objectiveSchema,
} from './create-objective.ts';
export type { Condition, Network, NetworkInput } from './network.ts';
export type { Networks, Objective, ObjectiveBatch, ObjectiveLoss, ObjectiveSchedule, Pass } from './objective.ts';
export { type Prediction, solutionNetworks } from './prediction.ts';
export {
  DEFAULT_STEPS,
  type InputGuidance,
  type Sample,
  type SampleGuidance,
  type SampleInput,
  type SampleProgress,
  sampleEuler,
  sampleFewStep,
  sampleHeun,
  sampleWithRenoising,
} from './samplers.ts';
export { type TimeGrid, timeGrid } from './time-grid.ts';

// What these are made from.

export { assertParts, cutBatch, type DrawnBatch } from './cut-batch.ts';
export { type Draws, splitRows } from './draws.ts';
export type { ObjectiveKind, Term } from './objective-kind.ts';
export type { GuidanceRange } from './options.ts';
export { interpolate, type Path, pathVelocity } from './path.ts';
export { type SolutionMap, solutionMap, velocityFactor } from './solution-map.ts';
export { sampleLogitNormal } from './time-sampler.ts';
