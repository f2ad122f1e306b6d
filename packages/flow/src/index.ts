// What users need: objectives, networks as they are called, samplers.
export {
  countPasses,
  createObjective,
  LOSS_TERMS,
  type LossTerm,
  OBJECTIVES,
  type ObjectiveSpec,
  objectiveKind,
  objectiveSchema,
} from './create-objective.ts';
// What objectives are made from.
export { type Draws, splitRows } from './draws.ts';
export type { Condition, Network, NetworkInput } from './network.ts';
export type { Networks, Objective, ObjectiveBatch, ObjectiveLoss, ObjectiveSchedule, Pass } from './objective.ts';
export type { ObjectiveKind, Term } from './objective-kind.ts';
export { interpolate, PATHS, type Path, pathCoefficients, pathVelocity, perExample } from './path.ts';
export {
  type Sample,
  type SampleGuidance,
  type SampleInput,
  type SampleProgress,
  sampleEuler,
  sampleFewStep,
  sampleHeun,
  sampleWithRenoising,
} from './samplers.ts';
export {
  differenceQuotient,
  SOLUTION_MAPS,
  type SolutionMap,
  semigroupDefect,
  solutionMap,
  velocityFactor,
} from './solution-map.ts';
export { TIME_GRIDS, type TimeGrid, timeGrid } from './time-grid.ts';
export { type LogitNormal, sampleLogitNormal } from './time-sampler.ts';
