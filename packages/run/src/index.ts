export { bindNetworks, movingDigitsSpec, videoDiTConfig } from './build.ts';
export { type RunConfig, runConfigSchema } from './config.ts';
export { loadConfig, presetNames } from './load-config.ts';
export { type LoadedNetwork, type LoadOptions, loadNetwork } from './load-network.ts';
export {
  createRunFolder,
  openRunFolder,
  type RunFolder,
  readMetrics,
  type StepMetrics,
  writeConfig,
} from './run-folder.ts';
export {
  createSample,
  cycleLabels,
  SAMPLERS,
  type Sample,
  type SampleOptions,
  type Sampler,
  sampleClips,
} from './sample-clips.ts';
