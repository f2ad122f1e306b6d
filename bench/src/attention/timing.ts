import { type Summary, summarise } from '../statistics.ts';
import type { Timing } from './warm-up.ts';

/** A timing without its samples. */
export interface TimingReport {
  summary: Summary;
  calls: number;
  firstSeconds: number;
  /** PyTorch's: which way to write it was the fastest. */
  form?: string;
  flopsPerSecond: number;
  /** Of the best rate of plain products; absent if there is none. */
  shareOfLimit?: number;
  /** The median of PyTorch's fastest over this one's: above 1 is faster. */
  timesPeer?: number;
  /** In RAM, at the highest, over what stays loaded. */
  addedBytes: number;
}

export function reportTiming({ seconds, ...timing }: Timing, flops: number, limit: number | undefined): TimingReport {
  const summary = summarise(seconds);
  const flopsPerSecond = flops / summary.median;
  return {
    ...timing,
    summary,
    calls: seconds.length,
    flopsPerSecond,
    shareOfLimit: limit && flopsPerSecond / limit,
  };
}
