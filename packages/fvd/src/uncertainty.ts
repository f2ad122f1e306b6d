import { philoxUniform } from '@eflow/tensor';
import { countBoth, type FeatureSet, pickRows } from './feature-set.ts';

export interface BootstrapOptions {
  /** How often both sets are drawn anew. */
  resamples: number;
  /** Share of the draws that lie in the interval, in (0, 1). */
  level: number;
  /** Unsigned 32-bit. */
  seed: number;
}

/**
 * The percentile interval (Efron, "Bootstrap methods", 1979) of a statistic of two sets, whose rows are drawn anew with
 * replacement. A Frechet distance of draws is above that of the sets themselves, as fewer videos differ: its interval tells how
 * wide the figure spreads, and need not hold the figure. Throws on resamples below 20 or a level outside (0, 1).
 */
export function bootstrapInterval(
  statistic: (a: FeatureSet, b: FeatureSet) => number,
  a: FeatureSet,
  b: FeatureSet,
  { resamples, level, seed }: BootstrapOptions,
): [low: number, high: number] {
  if (!Number.isInteger(resamples) || resamples < 20) {
    throw new Error(`bootstrapInterval: resamples is ${resamples}; expected an integer from 20 on`);
  }
  if (!(level > 0 && level < 1))
    throw new Error(`bootstrapInterval: level is ${level}; expected a share, such as 0.95`);
  const [numA, numB] = countBoth('bootstrapInterval', a, b, 2);
  const values = Float64Array.from({ length: resamples }, (_, i) => {
    const draw = (count: number, part: number) =>
      philoxUniform([seed, 2 * i + part], count).map((share) => Math.floor(share * count));
    return statistic(pickRows(a, draw(numA, 0)), pickRows(b, draw(numB, 1)));
  }).sort();
  const at = (share: number) => values[Math.min(resamples - 1, Math.floor(share * resamples))]!;
  return [at((1 - level) / 2), at((1 + level) / 2)];
}

/** Numbers of videos of which `extrapolate` takes the statistic. */
export const EXTRAPOLATION_POINTS = 15;

export interface Extrapolation {
  /** What the statistic tends to as the number of videos grows without bound. */
  limit: number;
  /** Standard error of the fitted limit, from the scatter around the line. */
  standardError: number;
  /** Numbers of videos, and the statistic of so many. */
  points: { count: number; value: number }[];
}

/**
 * A statistic extrapolated to infinitely many videos, by a line in 1 / N (FID-infinity: Chong and Forsyth, arXiv 1911.07023, sec. 3.2).
 * It takes out the bias of a Frechet distance to first order, so that results of different numbers of videos can be compared. The
 * statistic is taken of 15 numbers of rows, evenly from a tenth of the smaller set to all of it, each of a drawn part of both sets.
 * Throws on fewer than 100 rows.
 */
export function extrapolate(
  statistic: (a: FeatureSet, b: FeatureSet) => number,
  a: FeatureSet,
  b: FeatureSet,
  { seed }: { seed: number },
): Extrapolation {
  const [numA, numB] = countBoth('extrapolate', a, b, 100);
  const all = Math.min(numA, numB);
  const points = Array.from({ length: EXTRAPOLATION_POINTS }, (_, i) => {
    const count = Math.round(all * (0.1 + (0.9 * i) / (EXTRAPOLATION_POINTS - 1)));
    const draw = (of: number, part: number) => drawRows(of, count, [seed, 2 * i + part]);
    return { count, value: statistic(pickRows(a, draw(numA, 0)), pickRows(b, draw(numB, 1))) };
  });
  return { ...fitLine(points.map(({ count, value }) => ({ x: 1 / count, y: value }))), points };
}

/** `count` different row numbers below `of`, in drawn order (Fisher and Yates). */
export function drawRows(of: number, count: number, seed: [number, number]): number[] {
  const numbers = Array.from({ length: of }, (_, i) => i);
  const shares = philoxUniform(seed, count);
  for (let i = 0; i < count; i++) {
    const other = i + Math.floor(shares[i]! * (of - i));
    [numbers[i], numbers[other]] = [numbers[other]!, numbers[i]!];
  }
  return numbers.slice(0, count);
}

/** The value at x = 0 of the line of least squares, and its standard error. */
function fitLine(points: { x: number; y: number }[]): { limit: number; standardError: number } {
  const n = points.length;
  const meanOf = (of: (point: { x: number; y: number }) => number) => points.reduce((sum, p) => sum + of(p), 0) / n;
  const [meanX, meanY] = [meanOf(({ x }) => x), meanOf(({ y }) => y)];
  const spread = meanOf(({ x }) => (x - meanX) ** 2);
  const slope = meanOf(({ x, y }) => (x - meanX) * (y - meanY)) / spread;
  const limit = meanY - slope * meanX;
  const residual = (n * meanOf(({ x, y }) => (y - limit - slope * x) ** 2)) / (n - 2);
  return { limit, standardError: Math.sqrt((residual / n) * (1 + meanX ** 2 / spread)) };
}
