export { classAccuracy, frameConsistency } from './class-metrics.ts';
export {
  type DigitsClassifierOutput,
  type DigitsClassifierParams,
  digitsClassifier,
  digitsClassifierWeights,
  initDigitsClassifier,
} from './digits-classifier.ts';
export { frechetDistance } from './frechet-distance.ts';
export {
  type CovarianceRule,
  type FeatureStatistics,
  type FeatureSums,
  finishStatistics,
  mergeSums,
  sumFeatures,
} from './statistics.ts';
