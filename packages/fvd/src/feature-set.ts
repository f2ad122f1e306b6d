/** Features of videos, one row each: row-major [N, D]. */
export interface FeatureSet {
  features: Float32Array | Float64Array;
  /** D */
  numFeatures: number;
}

/** N. Throws, in the name of `where`, on a length that is no multiple of D, and on a value that is not finite. */
export function countRows(where: string, { features, numFeatures }: FeatureSet): number {
  if (!Number.isSafeInteger(numFeatures) || numFeatures < 1) {
    throw new Error(`${where}: numFeatures is ${numFeatures}; expected an integer >= 1`);
  }
  const count = features.length / numFeatures;
  if (!Number.isInteger(count)) {
    throw new Error(`${where}: ${features.length} values are no whole number of rows of ${numFeatures} features`);
  }
  const bad = features.findIndex((value) => !Number.isFinite(value));
  if (bad < 0) return count;
  const [row, column] = [Math.floor(bad / numFeatures), bad % numFeatures];
  throw new Error(
    `${where}: row ${row}, feature ${column} is ${features[bad]}; expected finite numbers, so check that video and its extractor`,
  );
}

/** The rows of both. Throws, in the name of `where`, as `countRows` does, on other features, and on fewer than `least` rows. */
export function countBoth(where: string, a: FeatureSet, b: FeatureSet, least: number): [a: number, b: number] {
  if (a.numFeatures !== b.numFeatures) {
    throw new Error(`${where}: ${a.numFeatures} against ${b.numFeatures} features; use one extractor for both`);
  }
  const counts: [number, number] = [countRows(where, a), countRows(where, b)];
  const few = Math.min(...counts);
  if (few < least) throw new Error(`${where}: ${few} videos; at least ${least} of each kind are needed`);
  return counts;
}

/** Row i, not copied. */
export const rowOf = ({ features, numFeatures }: FeatureSet, i: number) =>
  features.subarray(i * numFeatures, (i + 1) * numFeatures);

/** Rows in the given order, as a new set; one may come up several times. */
export function pickRows(set: FeatureSet, rows: ArrayLike<number>): FeatureSet {
  const features = new Float64Array(rows.length * set.numFeatures);
  for (let i = 0; i < rows.length; i++) features.set(rowOf(set, rows[i]!), i * set.numFeatures);
  return { features, numFeatures: set.numFeatures };
}
