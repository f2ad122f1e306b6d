import { EigenvalueDecomposition, Matrix, SingularValueDecomposition } from 'ml-matrix';
import { countBoth, type FeatureSet } from './feature-set.ts';
import { type CovarianceRule, type FeatureStatistics, finishStatistics, sumFeatures } from './statistics.ts';

/**
 * The squared Frechet (2-Wasserstein) distance of two Gaussians, as FID and FVD report it (Dowson and Landau 1982;
 * Heusel et al., arXiv 1706.08500; Unterthiner et al., arXiv 1812.01717):
 *
 *     |mean_a - mean_b|^2 + tr(A + B - 2 (A B)^(1/2))
 *
 * With factors A = P P^T and B = Q Q^T the last trace is the sum of the singular values of P^T Q: those of
 * A^(1/2) B^(1/2), so of the root of A^(1/2) B A^(1/2). No complex roots can come up, and no eigenvalue is squared and
 * rooted again, so singular covariances (fewer videos than features) keep full precision. Symmetric; >= 0.
 * Throws if dimensions or covariance rules differ, or if a number is not finite. Cubic in D: a few seconds at 512.
 */
export function frechetDistance(a: FeatureStatistics, b: FeatureStatistics): number {
  const size = a.mean.length;
  if (size !== b.mean.length) {
    throw new Error(`frechetDistance: ${size} against ${b.mean.length} features; use one extractor for both`);
  }
  if (a.covarianceRule !== b.covarianceRule) {
    throw new Error(
      `frechetDistance: covariance / ${a.covarianceRule} against / ${b.covarianceRule}; finish both with the same rule`,
    );
  }
  for (const { mean, covariance } of [a, b]) checkStatistics(mean, covariance);
  return distanceOf(factorStatistics(a), factorStatistics(b));
}

/**
 * The same of two sets of features, without their covariances where there are fewer videos than features: then it takes
 * N^2 D + N^3 operations. Throws on fewer than 2 rows, other features, or numbers that are not finite.
 */
export function featureDistance(a: FeatureSet, b: FeatureSet, rule: CovarianceRule): number {
  countBoth('featureDistance', a, b, 2);
  return distanceOf(factorFeatures(a, rule), factorFeatures(b, rule));
}

/** A Gaussian by a factor of its covariance, which is factor factor^T. */
interface Gaussian {
  /** [D] */
  mean: Float64Array;
  /** Trace of the covariance. */
  trace: number;
  /** [D, rank] */
  factor: Matrix;
}

function distanceOf(a: Gaussian, b: Gaussian): number {
  const meanTerm = a.mean.reduce((sum, mean, i) => sum + (mean - b.mean[i]!) ** 2, 0);
  const cross = a.factor.transpose().mmul(b.factor);
  return Math.max(0, meanTerm + a.trace + b.trace - 2 * sumSingularValues(cross)); // rounding may leave a hair below 0
}

const factorStatistics = ({ mean, covariance }: FeatureStatistics): Gaussian => ({
  mean,
  trace: trace(covariance, mean.length),
  factor: factor(covariance, mean.length),
});

/** Centred rows are a factor of their scatter, without a decomposition; a small one where they are few. */
function factorFeatures(set: FeatureSet, rule: CovarianceRule): Gaussian {
  const { features, numFeatures } = set;
  const count = features.length / numFeatures;
  if (count > numFeatures) return factorStatistics(finishStatistics(sumFeatures(set), rule));
  const rows = Matrix.from1DArray(count, numFeatures, features);
  const mean = rows.mean('column');
  const centred = rows.subRowVector(mean).div(Math.sqrt(rule === 'N' ? count : count - 1));
  return { mean: Float64Array.from(mean), trace: centred.norm('frobenius') ** 2, factor: centred.transpose() };
}

/** F [D, rank] with F F^T = covariance; directions whose variance is only rounding noise, or negative, are left out. */
function factor(covariance: Float64Array, size: number): Matrix {
  const { realEigenvalues: values, eigenvectorMatrix: vectors } = new EigenvalueDecomposition(
    Matrix.from1DArray(size, size, covariance),
    { assumeSymmetric: true },
  );
  const noise = Math.max(...values) * size * Number.EPSILON;
  const kept = [...values.keys()].filter((i) => values[i]! > noise);
  return vectors.subMatrixColumn(kept).mulRowVector(kept.map((i) => Math.sqrt(values[i]!)));
}

function sumSingularValues(matrix: Matrix): number {
  if (matrix.isEmpty()) return 0;
  const options = { autoTranspose: true, computeLeftSingularVectors: false, computeRightSingularVectors: false };
  return new SingularValueDecomposition(matrix, options).diagonal.reduce((sum, value) => sum + value, 0);
}

function trace(matrix: Float64Array, size: number): number {
  let sum = 0;
  for (let i = 0; i < size; i++) sum += matrix[i * size + i]!;
  return sum;
}

function checkStatistics(mean: Float64Array, covariance: Float64Array): void {
  if (covariance.length !== mean.length ** 2) {
    throw new Error(
      `frechetDistance: covariance of ${covariance.length} values; expected ${mean.length} x ${mean.length}`,
    );
  }
  if (mean.every(Number.isFinite) && covariance.every(Number.isFinite)) return;
  throw new Error(
    'frechetDistance: mean or covariance holds NaN or infinity; recompute the statistics from the features',
  );
}
