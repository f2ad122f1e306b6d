import { countBoth, type FeatureSet, rowOf } from './feature-set.ts';

/**
 * The kernel video distance: the unbiased estimate of the squared maximum mean discrepancy of two sets of features under the
 * kernel k(x, y) = (x . y / D + 1)^3 (Binkowski et al., arXiv 1801.01401, eq. 4, for images; Unterthiner et al., arXiv
 * 1812.01717, for video):
 *
 *     mean_{i != j} k(a_i, a_j) + mean_{i != j} k(b_i, b_j) - 2 mean_{i, j} k(a_i, b_j)
 *
 * Unlike a Frechet distance it has no bias that shrinks with the number of videos, and may be below 0. `standardError` is of
 * the first order of its Hoeffding decomposition: 2 (var_i g_a(i) / N_a + var_j g_b(j) / N_b)^(1/2), with g_a(i) the mean of
 * k(a_i, a_j) over j != i less that of k(a_i, b_j), and g_b alike; where both sets are from one distribution the first
 * order vanishes, and the number is of the size of the noise alone.
 * Symmetric. Throws on fewer than 3 rows, other features or numbers that are not finite. Takes N^2 D products.
 */
export function kernelDistance(a: FeatureSet, b: FeatureSet): { distance: number; standardError: number } {
  const [numA, numB] = countBoth('kernelDistance', a, b, 3);
  const [aa, bb] = [sumWithin(a, numA), sumWithin(b, numB)];
  const [ab, ba] = [new Float64Array(numA), new Float64Array(numB)];
  for (let i = 0; i < numA; i++) {
    const row = rowOf(a, i);
    for (let j = 0; j < numB; j++) {
      const value = kernel(row, rowOf(b, j));
      ab[i]! += value;
      ba[j]! += value;
    }
  }
  const gA = aa.map((sum, i) => sum / (numA - 1) - ab[i]! / numB);
  const gB = bb.map((sum, j) => sum / (numB - 1) - ba[j]! / numA);
  return {
    distance: mean(gA) + mean(gB),
    standardError: 2 * Math.sqrt(variance(gA) / numA + variance(gB) / numB),
  };
}

/** The sum of each row's kernel with all others of its set. */
function sumWithin(set: FeatureSet, count: number): Float64Array {
  const sums = new Float64Array(count);
  for (let i = 0; i < count; i++) {
    const row = rowOf(set, i);
    for (let j = 0; j < i; j++) {
      const value = kernel(row, rowOf(set, j));
      sums[i]! += value;
      sums[j]! += value;
    }
  }
  return sums;
}

function kernel(x: Float32Array | Float64Array, y: Float32Array | Float64Array): number {
  let product = 0;
  for (let i = 0; i < x.length; i++) product += x[i]! * y[i]!;
  return (product / x.length + 1) ** 3;
}

const mean = (values: Float64Array) => values.reduce((sum, value) => sum + value, 0) / values.length;

function variance(values: Float64Array): number {
  const center = mean(values);
  return values.reduce((sum, value) => sum + (value - center) ** 2, 0) / (values.length - 1);
}
