import { EigenvalueDecomposition, Matrix, SingularValueDecomposition } from 'ml-matrix';
import type { FeatureSet } from './feature-set.ts';
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
  const meanTerm = a.mean.reduce((sum, mean, i) => sum + (mean - b.mean[i]!) ** 2, 0);
  const cross = factor(a.covariance, size).transpose().mmul(factor(b.covariance, size));
  const distance = meanTerm + trace(a.covariance, size) + trace(b.covariance, size) - 2 * sumSingularValues(cross);
  return Math.max(0, distance); // rounding may leave equal Gaussians a hair below 0
}

/** The same of two sets of features. Throws on fewer than 2 rows, too. */
export const featureDistance = (a: FeatureSet, b: FeatureSet, rule: CovarianceRule): number =>
  frechetDistance(finishStatistics(sumFeatures(a), rule), finishStatistics(sumFeatures(b), rule));

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
