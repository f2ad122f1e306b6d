export { frechetDistance } from './frechet-distance.ts';
export {
  type CovarianceRule,
  type FeatureStatistics,
  type FeatureSums,
  finishStatistics,
  mergeSums,
  sumFeatures,
} from './statistics.ts';
