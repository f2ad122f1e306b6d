export { type DataRecord, describeLeftOut } from '@eflow/data';
export { askEvenly } from './ask-evenly.ts';
export { findBestStep, findCheckpoint } from './best-checkpoint.ts';
export { countMicroBatches, openClips, videoDiTConfig } from './build.ts';
export { type RunConfig, runConfigSchema } from './config.ts';
export {
  assertSameData,
  classNames,
  findClass,
  readDataRecord,
  recordData,
  writeDataRecord,
} from './data-record.ts';
export { type Difference, findDifferences } from './find-differences.ts';
export { loadConfig, presetNames } from './load-config.ts';
export { type LoadedNetwork, type LoadOptions, loadNetwork } from './load-network.ts';
export { findNewestRun } from './newest-run.ts';
export {
  createRunFolder,
  forgetSteps,
  type HeldOutLosses,
  openRunFolder,
  type RunFolder,
  readHeldOut,
  readMeasurements,
  readMetrics,
  readSkipped,
  type SkippedStep,
  type StepMeasurement,
  type StepMetrics,
  writeConfig,
} from './run-folder.ts';
export { type Asked, cycleLabels, type SampleOptions, sampleClips, sampleInBatches } from './sample-clips.ts';
export {
  checkSampler,
  countEvaluations,
  createSample,
  defaultSampler,
  formatEvaluations,
  GUIDANCE_KINDS,
  SAMPLERS,
  type SampleFunction,
  type Sampler,
  type SamplerFlags,
  type SamplerSpec,
  type SamplingOptions,
  samplerSpec,
} from './samplers.ts';
export { countStepFlops } from './step-flops.ts';
export { type TrainingStage, trainingStages } from './training-stages.ts';
