import { countRows, type FeatureSet } from './feature-set.ts';

/** What can be added up of feature rows [N, D]: all in float64, whatever the rows are. */
export interface FeatureSums {
  /** N, the rows so far. */
  count: number;
  /** [D] */
  mean: Float64Array;
  /** [D, D] row-major: the sum over rows of (row - mean)(row - mean)^T. */
  scatter: Float64Array;
}

/** What the covariance is divided by; published scores differ in this, so it is recorded. */
export type CovarianceRule = 'N' | 'N-1';

/** A Gaussian fitted to features. */
export interface FeatureStatistics {
  count: number;
  /** [D] */
  mean: Float64Array;
  /** [D, D] row-major, symmetric. */
  covariance: Float64Array;
  covarianceRule: CovarianceRule;
}

/**
 * Sums of features, N >= 0 rows; merge them batch by batch with `mergeSums` to stream over any number of rows. Throws on a length
 * that is no multiple of D and on a value that is not finite.
 */
export function sumFeatures(set: FeatureSet): FeatureSums {
  const { features, numFeatures } = set;
  const count = countRows('sumFeatures', set);
  const mean = new Float64Array(numFeatures);
  for (let i = 0; i < features.length; i++) mean[i % numFeatures]! += features[i]! / count;
  const scatter = new Float64Array(numFeatures * numFeatures);
  const centered = new Float64Array(numFeatures);
  for (let row = 0; row < count; row++) {
    for (let i = 0; i < numFeatures; i++) centered[i] = features[row * numFeatures + i]! - mean[i]!;
    addOuterProduct(scatter, centered, 1);
  }
  return { count, mean, scatter };
}

/**
 * Sums of the rows of both, in either order: Chan, Golub and LeVeque, "Updating formulae and a pairwise algorithm for
 * computing sample variances" (1979), eq. 2.1, for matrices. Returns a new object; throws if the dimensions differ.
 */
export function mergeSums(a: FeatureSums, b: FeatureSums): FeatureSums {
  if (a.mean.length !== b.mean.length) {
    throw new Error(`mergeSums: ${a.mean.length} against ${b.mean.length} features; use one extractor for both`);
  }
  const count = a.count + b.count;
  const share = count === 0 ? 0 : b.count / count;
  const difference = b.mean.map((mean, i) => mean - a.mean[i]!);
  const scatter = a.scatter.map((value, i) => value + b.scatter[i]!);
  addOuterProduct(scatter, difference, a.count * share);
  return { count, mean: a.mean.map((mean, i) => mean + share * difference[i]!), scatter };
}

/** Mean and covariance. Throws on fewer than 2 rows, of which no covariance can be told. */
export function finishStatistics(sums: FeatureSums, covarianceRule: CovarianceRule): FeatureStatistics {
  const { count, mean, scatter } = sums;
  if (count < 2)
    throw new Error(`finishStatistics: ${count} rows of features; at least 2 are needed, better 256 or more`);
  const divisor = covarianceRule === 'N' ? count : count - 1;
  return { count, mean: mean.slice(), covariance: scatter.map((value) => value / divisor), covarianceRule };
}

/** matrix += weight * vector vector^T, kept exactly symmetric. */
function addOuterProduct(matrix: Float64Array, vector: Float64Array, weight: number): void {
  const size = vector.length;
  for (let i = 0; i < size; i++) {
    const scaled = weight * vector[i]!;
    for (let j = i; j < size; j++) {
      const value = matrix[i * size + j]! + scaled * vector[j]!;
      matrix[i * size + j] = value;
      matrix[j * size + i] = value;
    }
  }
}
