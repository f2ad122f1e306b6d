export { countPasses, createObjective, type ObjectiveSpec } from './create-objective.ts';
export { type DrawOptions, type Draws, splitRows } from './draws.ts';
export {
  type CommonOptions,
  FLOW_MATCHING_DEFAULTS,
  type FlowMatchingOptions,
  flowMatching,
} from './flow-matching.ts';
export { type GuidanceOptions, guidanceFade, guidedVelocity } from './guidance.ts';
export {
  adaptiveWeight,
  meanSquarePerExample,
  solutionSurrogate,
  type Weighting,
  weightedSquare,
} from './loss-terms.ts';
export { MEAN_FLOW_DEFAULTS, type MeanFlowOptions, meanFlow } from './mean-flow.ts';
export type { Condition, Network, NetworkInput } from './network.ts';
export type {
  LossTerm,
  Networks,
  Objective,
  ObjectiveBatch,
  ObjectiveLoss,
  ObjectiveSchedule,
  Pass,
} from './objective.ts';
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
  EFLOW_DEFAULTS,
  type EflowOptions,
  eflow,
  SOLUTION_FLOW_DEFAULTS,
  type SolutionFlowOptions,
  solutionFlow,
} from './solution-flow.ts';
export {
  differenceQuotient,
  SOLUTION_MAPS,
  type SolutionMap,
  semigroupDefect,
  solutionMap,
  velocityFactor,
} from './solution-map.ts';
export { SPLIT_MEAN_FLOW_DEFAULTS, type SplitMeanFlowOptions, splitMeanFlow } from './split-mean-flow.ts';
export { type TargetVelocity, targetVelocity } from './target-velocity.ts';
export { TIME_GRIDS, type TimeGrid, timeGrid } from './time-grid.ts';
export {
  type IntervalRange,
  intervalRatio,
  type JumpTimes,
  type LogitNormal,
  MIN_INTERVAL,
  sampleLogitNormal,
  sampleSolutionTimes,
  sampleSortedTimes,
} from './time-sampler.ts';
