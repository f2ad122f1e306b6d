import { type FeatureMap, LINEAR_EPS } from './feature-map.ts';

/** One head's rows, L of D numbers each, and the rotation of a row by a token's angles. */
export interface Head {
  queries: number[][];
  keys: number[][];
  values: number[][];
  turn: (row: number[], token: number) => number[];
}

/** Whether token i sees token j. */
export type Sees = (i: number, j: number) => boolean;

/**
 * Cross-attention as the sums that define it, in float64: q [B, N, L, D], k and v [B, N, S, D] row-major, and mask [B, S],
 * true where there is a vector (absent: everywhere). Returns [B, N, L, D], row-major.
 */
export function crossAttentionOracle(
  [B, N, L, S, D]: readonly [number, number, number, number, number],
  { q, k, v, mask }: { q: number[]; k: number[]; v: number[]; mask?: boolean[] | undefined },
): number[] {
  return Array.from({ length: B * N }, (_, index) => {
    const rows = (x: number[], length: number) => cutRows(x.slice(index * length * D, (index + 1) * length * D), D);
    const head = { queries: rows(q, L), keys: rows(k, S), values: rows(v, S), turn: (row: number[]) => row };
    return softmaxSum(head, (_i, j) => mask?.[Math.floor(index / N) * S + j] ?? true).flat();
  }).flat();
}

/** Softmax attention of each token over those that it sees. */
export function softmaxSum({ queries, keys, values, turn }: Head, sees: Sees): number[][] {
  const turnedKeys = keys.map(turn);
  return queries.map(turn).map((query, i) => {
    const seen = indices(keys).filter((j) => sees(i, j));
    const scores = seen.map((j) => dot(query, turnedKeys[j]!) / Math.sqrt(query.length));
    const largest = Math.max(...scores);
    const weights = scores.map((score) => Math.exp(score - largest));
    const total = sum(weights);
    return weightedSum(
      weights.map((weight) => weight / total),
      seen.map((j) => values[j]!),
      query.length,
    );
  });
}

/** Linear attention of each token over those that it sees. */
export function linearSum({ queries, keys, values, turn }: Head, featureMap: FeatureMap, sees: Sees): number[][] {
  const [phiQueries, phiKeys] = [queries, keys].map((rows) => rows.map((row) => phi(featureMap, row)));
  const turnedKeys = phiKeys!.map(turn);
  return phiQueries!.map((query, i) => {
    const seen = indices(keys).filter((j) => sees(i, j));
    const denominator = LINEAR_EPS + sum(seen.map((j) => dot(query, phiKeys![j]!)));
    const turned = turn(query, i);
    return weightedSum(
      seen.map((j) => dot(turned, turnedKeys[j]!) / denominator),
      seen.map((j) => values[j]!),
      query.length,
    );
  });
}

function phi(featureMap: FeatureMap, row: number[]): number[] {
  switch (featureMap) {
    case 'relu':
      return row.map((x) => Math.max(x, 0));
    case 'elu1':
      return row.map((x) => (x > 0 ? x + 1 : Math.exp(x)));
    case 'softmax': {
      const total = sum(row.map(Math.exp));
      return row.map((x) => Math.exp(x) / total);
    }
  }
}

const sum = (values: number[]) => values.reduce((total, value) => total + value, 0);
export const dot = (a: number[], b: number[]) => a.reduce((total, value, i) => total + value * b[i]!, 0);

const indices = (rows: unknown[]) => rows.map((_, i) => i);

/** The sum of rows of D numbers, each row times its weight. */
export function weightedSum(weights: number[], rows: number[][], D: number): number[] {
  const total = Array<number>(D).fill(0);
  rows.forEach((row, j) => {
    for (let d = 0; d < D; d++) total[d] = total[d]! + weights[j]! * row[d]!;
  });
  return total;
}

export const meanRow = (rows: number[][]) =>
  weightedSum(Array(rows.length).fill(1 / rows.length), rows, rows[0]!.length);

/** Cuts what is row-major into rows of a length; the last may be shorter. */
export function cutRows<T>(values: T[], length: number): T[][] {
  const count = Math.ceil(values.length / length);
  return Array.from({ length: count }, (_, i) => values.slice(i * length, (i + 1) * length));
}
