import { type Rate, rateCalls } from '../statistics.ts';
import type { Timing } from './warm-up.ts';

/** A timing without its samples. */
export interface TimingReport extends Rate, Omit<Timing, 'seconds'> {
  calls: number;
  /** The median of PyTorch's fastest over this one's: above 1 is faster. */
  timesPeer?: number;
}

export const reportTiming = (
  { seconds, ...timing }: Timing,
  flops: number,
  limit: number | undefined,
): TimingReport => ({ ...timing, ...rateCalls(seconds, flops, limit), calls: seconds.length });
