export { classAccuracy, frameConsistency } from './class-metrics.ts';
export {
  type DigitsClassifierOutput,
  type DigitsClassifierParams,
  digitsClassifier,
  digitsClassifierWeights,
  initDigitsClassifier,
} from './digits-classifier.ts';
export { createDigitsExtractor } from './digits-extractor.ts';
export { type Extracted, type Extractor, extractFeatures, FEATURES_VERSION, recordExtractor } from './extractor.ts';
export {
  captionedDigitsClassifierWeights,
  type FactorClassifierOutput,
  type FactorClassifierParams,
  factorClassifier,
  initFactorClassifier,
  movingEmojiClassifierWeights,
} from './factor-classifier.ts';
export { createFactorExtractor } from './factor-extractor.ts';
export { type FeatureSet, pickRows } from './feature-set.ts';
export { featureDistance, frechetDistance } from './frechet-distance.ts';
export { type I3DOutput, type I3DParams, i3d, i3dParams, listI3DTensors } from './i3d.ts';
export { createI3DExtractor, type I3DExtractorOptions } from './i3d-extractor.ts';
export { i3dStateOfVariables, listI3DVariables } from './i3d-variables.ts';
export { kernelDistance } from './kernel-distance.ts';
export { type Coverage, coverage, findNearest, type Nearest } from './nearest.ts';
export { createNsfwjsExtractor } from './nsfwjs-extractor.ts';
export { createOnnxExtractor, type OnnxExtractorOptions } from './onnx-extractor.ts';
export {
  assertComparable,
  type Draw,
  type ExtractorRecord,
  FEW_VIDEOS,
  I3D_NAME,
  isFvd,
  PROTOCOL_PRESETS,
  type Protocol,
  type ProtocolName,
  type ProtocolPreset,
  type ResizeSpec,
} from './protocol.ts';
export { type ResizeRule, resizeClips } from './resize.ts';
export {
  type CovarianceRule,
  type FeatureStatistics,
  type FeatureSums,
  finishStatistics,
  mergeSums,
  sumFeatures,
} from './statistics.ts';
export {
  compareTemporal,
  pixelFeatures,
  TEMPORAL_FIGURES,
  type TemporalComparison,
  type TemporalFigures,
  temporalFigures,
} from './temporal.ts';
export {
  type BootstrapOptions,
  bootstrapInterval,
  drawRows,
  EXTRAPOLATION_POINTS,
  type Extrapolation,
  extrapolate,
} from './uncertainty.ts';
