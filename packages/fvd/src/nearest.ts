import { countBoth, type FeatureSet, rowOf } from './feature-set.ts';

/** How much two sets of features cover one another; all but `density` in [0, 1]. */
export interface Coverage {
  /** Share of generated videos that lie in the ball of some real one. */
  precision: number;
  /** Share of real videos that lie in the ball of some generated one. */
  recall: number;
  /** In how many balls of real videos a generated one lies, over k: about 1 where both are alike, and 0 or more. */
  density: number;
  /** Share of real videos in whose ball a generated one lies. */
  coverage: number;
}

/**
 * Precision and recall (Kynkaanniemi et al., arXiv 1904.06991), density and coverage (Naeem et al., arXiv 2002.09797). The ball
 * of a video reaches to the `k`-th nearest of its own set; 5 is what the latter take. Copies of training videos have a
 * precision of 1: look at `findNearest`, too. Throws on k + 1 rows or fewer, other features or numbers that are not finite.
 * Takes N^2 D products.
 */
export function coverage(real: FeatureSet, generated: FeatureSet, k = 5): Coverage {
  if (!Number.isInteger(k) || k < 1) throw new Error(`coverage: k is ${k}; expected an integer >= 1`);
  const [numReal, numGenerated] = countBoth('coverage', real, generated, k + 1);
  const [realRadii, generatedRadii] = [ballRadii(real, numReal, k), ballRadii(generated, numGenerated, k)];
  const isPrecise = new Uint8Array(numGenerated);
  const [isRecalled, isCovered] = [new Uint8Array(numReal), new Uint8Array(numReal)];
  let inBalls = 0;
  for (let i = 0; i < numReal; i++) {
    const row = rowOf(real, i);
    for (let j = 0; j < numGenerated; j++) {
      const distance = squaredDistance(row, rowOf(generated, j));
      if (distance < generatedRadii[j]!) isRecalled[i] = 1;
      if (distance >= realRadii[i]!) continue;
      inBalls++;
      isPrecise[j] = 1;
      isCovered[i] = 1;
    }
  }
  const share = (marks: Uint8Array) => marks.reduce((sum, mark) => sum + mark, 0) / marks.length;
  return {
    precision: share(isPrecise),
    recall: share(isRecalled),
    density: inBalls / (k * numGenerated),
    coverage: share(isCovered),
  };
}

/** A video's nearest one of another set. */
export interface Nearest {
  /** Number of that row. */
  index: number;
  /** Euclidean distance between their features. */
  distance: number;
}

/**
 * For every row of `queries` the nearest row of `among`, by the Euclidean distance: of generated videos among those that
 * were trained on it finds copies, whose distances are far below those of held-out videos. Throws on an empty set, other features
 * or numbers that are not finite. Takes N^2 D products.
 */
export function findNearest(queries: FeatureSet, among: FeatureSet): Nearest[] {
  const [numQueries, numAmong] = countBoth('findNearest', queries, among, 1);
  return Array.from({ length: numQueries }, (_, i) => {
    const row = rowOf(queries, i);
    let nearest = { index: 0, distance: Number.POSITIVE_INFINITY };
    for (let j = 0; j < numAmong; j++) {
      const distance = squaredDistance(row, rowOf(among, j));
      if (distance < nearest.distance) nearest = { index: j, distance };
    }
    return { ...nearest, distance: Math.sqrt(nearest.distance) };
  });
}

/** The squared distance of every row to its k-th nearest other; holds k distances for each row. */
function ballRadii(set: FeatureSet, count: number, k: number): Float64Array {
  const nearest = Array.from({ length: count }, () => new Float64Array(k).fill(Number.POSITIVE_INFINITY));
  for (let i = 0; i < count; i++) {
    const row = rowOf(set, i);
    for (let j = 0; j < i; j++) {
      const distance = squaredDistance(row, rowOf(set, j));
      insert(nearest[i]!, distance);
      insert(nearest[j]!, distance);
    }
  }
  return Float64Array.from(nearest, (distances) => distances[k - 1]!);
}

/** Keeps the smallest values in ascending order. */
function insert(sorted: Float64Array, value: number): void {
  let place = sorted.length - 1;
  if (value >= sorted[place]!) return;
  for (; place > 0 && sorted[place - 1]! > value; place--) sorted[place] = sorted[place - 1]!;
  sorted[place] = value;
}

function squaredDistance(x: Float32Array | Float64Array, y: Float32Array | Float64Array): number {
  let sum = 0;
  for (let i = 0; i < x.length; i++) sum += (x[i]! - y[i]!) ** 2;
  return sum;
}
