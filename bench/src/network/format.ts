import { percent } from '@eflow/cli';
import type { GraphDescription } from '@eflow/engine';
import { quartiles } from '../format.ts';
import type { Rate } from '../statistics.ts';
import type { Timing } from './warm-up.ts';
import type { Workload } from './workload.ts';

export const formatClips = ({ batchSize, clip }: Pick<Workload, 'batchSize' | 'clip'>): string =>
  `${batchSize} clip${batchSize === 1 ? '' : 's'} of ${clip.numFrames}x${clip.height}x${clip.width}`;

export const formatGraph = ({ operations, bytes, matmulFlops }: GraphDescription): string =>
  `${operations} operations, ${(bytes / 1e6).toFixed(2)} MB, ${gigaflops(matmulFlops)} GFLOP in products`;

export const gigaflops = (flops: number): string => (flops / 1e9).toFixed(1);

/** Titles of what `rateCells` gives. */
export const RATE_COLUMNS = ['median ms', 'quartiles', 'n', 'limit'];

export const rateCells = ({ summary, seconds, shareOfLimit }: Rate & Timing): string[] => [
  milliseconds(summary.median),
  quartiles(summary, milliseconds),
  String(seconds.length),
  shareOfLimit === undefined ? '-' : percent(shareOfLimit),
];

const milliseconds = (seconds: number) => (1000 * seconds).toFixed(1);

/** A ratio where 1 is equal, or a dash. */
export const times = (ratio: number | undefined): string => ratio?.toFixed(2) ?? '-';
