export { type DrawOptions, drawEflow, type EflowDraws, splitRows } from './eflow-draws.ts';
export { EFLOW_DEFAULTS, type EflowBatch, type EflowLoss, type EflowOptions, eflowLoss } from './eflow-loss.ts';
export { type GuidanceOptions, guidanceFade, guidedVelocity } from './guidance.ts';
export {
  adaptiveWeight,
  meanSquarePerExample,
  solutionSurrogate,
  type Weighting,
  weightedSquare,
} from './loss-terms.ts';
export type { Network, NetworkInput } from './network.ts';
export { interpolate, perExample, solutionMap } from './path.ts';
export { type Sample, type SampleInput, sampleEuler, sampleFewStep, sampleWithRenoising } from './samplers.ts';
export {
  type IntervalRange,
  intervalRatio,
  type LogitNormal,
  MIN_INTERVAL,
  type SolutionTimes,
  sampleLogitNormal,
  sampleSolutionTimes,
} from './time-sampler.ts';
