import type { AttentionSpec } from './attention.ts';
import { LINEAR_EPS } from './linear.ts';

/** Inputs of the oracle as plain numbers, row-major: q, k, v [B, N, L, D], cos and sin [L, D], gate [B, N, L]. */
export interface OracleInputs {
  q: number[];
  k: number[];
  v: number[];
  cos?: number[];
  sin?: number[];
  gate?: number[];
}

const dot = (a: number[], b: number[]) => a.reduce((sum, value, i) => sum + value * b[i]!, 0);

/**
 * Every kernel as the sums that define it, in float64 and O(L^2) loops: what the fast kernels are tested against.
 * Returns [B, N, L, D], row-major.
 */
export function attentionOracle(
  spec: AttentionSpec,
  [B, N, L, D]: readonly [number, number, number, number],
  { q, k, v, cos, sin, gate }: OracleInputs,
): number[] {
  const output: number[] = [];
  for (let head = 0; head < B * N; head++) {
    const rows = (values: number[]) =>
      Array.from({ length: L }, (_, i) => values.slice((head * L + i) * D, (head * L + i + 1) * D));
    const turn = (row: number[], token: number) => {
      if (!cos || !sin) return row;
      const half = D / 2;
      return row.map((value, d) => {
        const at = token * D + d;
        return d < half ? value * cos[at]! - row[d + half]! * sin[at]! : value * cos[at]! + row[d - half]! * sin[at]!;
      });
    };
    const [queries, keys, values] = [rows(q), rows(k), rows(v)];
    const weighted = (weights: number[]) =>
      Array.from({ length: D }, (_, d) => weights.reduce((sum, weight, j) => sum + weight * values[j]![d]!, 0));
    const windowed = (i: number, windowSize: number) => {
      const scores = keys.map((key, j) => dot(turn(queries[i]!, i), turn(key, j)) / Math.sqrt(D));
      const visible = scores.map((score, j) => (Math.abs(i - j) <= windowSize ? Math.exp(score) : 0));
      const total = visible.reduce((sum, value) => sum + value, 0);
      return weighted(visible.map((value) => value / total));
    };
    const linear = (i: number, featureMap: 'relu' | 'elu1') => {
      const phi = (x: number) => (featureMap === 'relu' ? Math.max(x, 0) : x > 0 ? x + 1 : Math.exp(x));
      const query = queries[i]!.map(phi);
      const features = keys.map((key) => key.map(phi));
      const denominator = features.reduce((sum, key) => sum + dot(query, key), LINEAR_EPS);
      return weighted(features.map((key, j) => dot(turn(query, i), turn(key, j)) / denominator));
    };
    for (let i = 0; i < L; i++) {
      switch (spec.kind) {
        case 'softmax':
          output.push(...windowed(i, L));
          break;
        case 'linear':
          output.push(...linear(i, spec.featureMap));
          break;
        case 'local':
          output.push(...windowed(i, spec.windowSize));
          break;
        case 'glga': {
          const weight = gate![head * L + i]!;
          const local = windowed(i, spec.windowSize);
          output.push(...linear(i, spec.featureMap).map((value, d) => weight * value + (1 - weight) * local[d]!));
        }
      }
    }
  }
  return output;
}
