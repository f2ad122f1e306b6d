export {
  DIGITS_COVARIANCE_RULE,
  type ExtractorName,
  type ExtractorSpec,
  loadExtractor,
} from './extractors.ts';
export { type FoundMeasurement, findMeasurements } from './find-measurements.ts';
export { formatMeasurement, formatTable } from './format.ts';
export type { FactorJudgement, FactorShares } from './judge-factors.ts';
export { type FeatureRecord, type Judgement, type LookOptions, look, type Seen } from './look.ts';
export { type MeasuredBy, type Measurement, type MeasureOptions, measure } from './measure.ts';
export { describeExtractor } from './self-checked.ts';
export { type ClipSource, clipsSource, openSource, realSource, type SourceSpec } from './sources.ts';
export type { Tally } from './tally.ts';
