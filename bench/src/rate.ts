import { type Summary, summarise } from './statistics.ts';

export interface Rate {
  summary: Summary;
  /** Of the matrix products in the definition; other work costs time and counts nothing. */
  flopsPerSecond: number;
  /** Of the best rate of plain products; absent if there is none. */
  shareOfLimit?: number;
}

export function rateCalls(seconds: readonly number[], flops: number, limit: number | undefined): Rate {
  const summary = summarise(seconds);
  const flopsPerSecond = flops / summary.median;
  return { summary, flopsPerSecond, shareOfLimit: limit && flopsPerSecond / limit };
}
