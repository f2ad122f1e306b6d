import type { AttentionSpec } from './attention.ts';
import type { FeatureMap } from './feature-map.ts';
import { LINEAR_EPS } from './linear.ts';
import { SLA_DEFAULTS, type SparseLinearOptions } from './sparse-linear.ts';
import type { Grid } from './tiles.ts';

/** Inputs of the oracle as plain numbers, row-major. */
export interface OracleInputs {
  /** q, k and v: [B, N, L, D]. */
  q: number[];
  k: number[];
  v: number[];
  /** [L, D], or [B, L, D] for tokens kept per example. */
  cos?: number[];
  sin?: number[];
  /** [B, N, L], for 'glga'. */
  gate?: number[];
  /** [D, D], for 'sla'. */
  proj?: number[];
  /** For 'local' with a window [f, h, w]. */
  grid?: Grid;
}

/** One head's rows, L of D numbers each, and the rotation of a row by a token's angles. */
interface Head {
  queries: number[][];
  keys: number[][];
  values: number[][];
  turn: (row: number[], token: number) => number[];
}

/** Whether token i sees token j. */
type Sees = (i: number, j: number) => boolean;

/**
 * Every kernel as the sums that define it, in float64 and O(L^2) loops: what the fast kernels are tested against.
 * Returns [B, N, L, D], row-major.
 */
export function attentionOracle(
  spec: AttentionSpec,
  [B, N, L, D]: readonly [number, number, number, number],
  { q, k, v, cos, sin, gate, proj, grid }: OracleInputs,
): number[] {
  return Array.from({ length: B * N }, (_, index) => {
    const [queries, keys, values] = [q, k, v].map((x) => cutRows(x.slice(index * L * D, (index + 1) * L * D), D));
    const perExample = cos && cos.length > L * D ? Math.floor(index / N) * L : 0;
    const turn = (row: number[], token: number) => {
      if (!cos || !sin) return row;
      const at = (perExample + token) * D;
      const half = D / 2;
      return row.map((x, d) => x * cos[at + d]! + (d < half ? -row[d + half]! : row[d - half]!) * sin[at + d]!);
    };
    const gates = gate?.slice(index * L, (index + 1) * L);
    const head = { queries: queries!, keys: keys!, values: values!, turn };
    return attendHead(spec, head, { gates, proj, grid }).flat();
  }).flat();
}

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
    return softmax(head, (_i, j) => mask?.[Math.floor(index / N) * S + j] ?? true).flat();
  }).flat();
}

function attendHead(
  spec: AttentionSpec,
  head: Head,
  { gates, proj, grid }: { gates?: number[] | undefined; proj?: number[] | undefined; grid?: Grid | undefined },
): number[][] {
  switch (spec.kind) {
    case 'softmax':
      return softmax(head, () => true);
    case 'linear': {
      const { featureMap, causalBlockSize = Number.POSITIVE_INFINITY } = spec;
      return linear(head, featureMap, (i, j) => Math.floor(j / causalBlockSize) <= Math.floor(i / causalBlockSize));
    }
    case 'local':
      return softmax(head, seesWithin(spec.windowSize, grid));
    case 'sla':
      return sparseLinear(head, { ...SLA_DEFAULTS, ...spec }, cutRows(proj!, head.queries[0]!.length));
    case 'glga': {
      const local = softmax(head, seesWithin(spec.windowSize));
      const global = linear(head, spec.featureMap, () => true);
      return global.map((row, i) => row.map((x, d) => gates![i]! * x + (1 - gates![i]!) * local[i]![d]!));
    }
  }
}

function seesWithin(windowSize: number | Grid, grid?: Grid): Sees {
  if (typeof windowSize === 'number') return (i, j) => Math.abs(i - j) <= windowSize;
  const [frames, rows, columns] = grid!;
  const places = Array.from({ length: frames * rows * columns }, (_, i) => [
    Math.floor(i / (rows * columns)),
    Math.floor(i / columns) % rows,
    i % columns,
  ]);
  return (i, j) => windowSize.every((side, axis) => Math.abs(places[i]![axis]! - places[j]![axis]!) <= side);
}

function softmax({ queries, keys, values, turn }: Head, sees: Sees): number[][] {
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

function linear({ queries, keys, values, turn }: Head, featureMap: FeatureMap, sees: Sees): number[][] {
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

function sparseLinear(
  head: Head,
  { blockSize, topRatio, skipRatio, featureMap, variant }: Required<SparseLinearOptions>,
  proj: number[][],
): number[][] {
  const turned = {
    ...head,
    queries: head.queries.map(head.turn),
    keys: head.keys.map(head.turn),
    turn: (row: number[]) => row,
  };
  const means = (rows: number[][]) => cutRows(rows, blockSize).map((block) => meanRow(block));
  const keyMeans = means(turned.keys);
  const blocks = keyMeans.length;
  const top = Math.max(1, Math.floor(topRatio * blocks));
  const visible = blocks - Math.min(Math.floor(skipRatio * blocks), blocks - top);
  // The place of each block of keys in the order of a block of queries, the largest product first.
  const ranks = means(turned.queries).map((query) => {
    const map = keyMeans.map((key) => dot(query, key));
    return map.map((value, j) => map.filter((other, l) => other > value || (other === value && l < j)).length);
  });
  const rank = (i: number, j: number) => ranks[Math.floor(i / blockSize)]![Math.floor(j / blockSize)]!;
  const sparse = softmax(turned, (i, j) => rank(i, j) < top);
  const all = variant === 'code';
  const rest = linear(turned, featureMap, (i, j) => all || (rank(i, j) >= top && rank(i, j) < visible));
  return rest.map((row, i) => weightedSum(row, proj, row.length).map((x, d) => x + sparse[i]![d]!));
}

const sum = (values: number[]) => values.reduce((total, value) => total + value, 0);
const dot = (a: number[], b: number[]) => a.reduce((total, value, i) => total + value * b[i]!, 0);

const indices = (rows: unknown[]) => rows.map((_, i) => i);

/** The sum of rows of D numbers, each row times its weight. */
function weightedSum(weights: number[], rows: number[][], D: number): number[] {
  const total = Array<number>(D).fill(0);
  rows.forEach((row, j) => {
    for (let d = 0; d < D; d++) total[d] = total[d]! + weights[j]! * row[d]!;
  });
  return total;
}

const meanRow = (rows: number[][]) => weightedSum(Array(rows.length).fill(1 / rows.length), rows, rows[0]!.length);

function cutRows<T>(values: T[], length: number): T[][] {
  const count = Math.ceil(values.length / length);
  return Array.from({ length: count }, (_, i) => values.slice(i * length, (i + 1) * length));
}
