import type { Rejection, RejectionCode } from '@eflow/data';
import type { Draw } from '@eflow/fvd';

/** What became of the videos of a source: seen = measured + notDrawn + rejected + skipped. */
export interface Tally {
  seen: number;
  measured: number;
  /** Videos that could be measured as far as is known, and were not, as enough others were drawn. */
  notDrawn: number;
  rejected: number;
  /** Files that have the name of a video and are none, such as those that macOS writes beside videos. */
  skipped: number;
  rejectedByCode: Partial<Record<RejectionCode, number>>;
  rejections: Rejection[];
  /** Where in its video each clip begins; absent: not known. */
  start?: 'first' | 'random';
  /** What put the videos in a random order, in which they were measured, and drew random starts. */
  seed: number;
}

/** Rejected videos that are printed one by one; --json has all. */
const LISTED = 10;

/** The tally of so many videos of which these were rejected. */
export function createTally(
  { seen, measured, skipped = 0, ...how }: Pick<Tally, 'seen' | 'measured' | 'start' | 'seed'> & { skipped?: number },
  rejections: readonly Rejection[] = [],
): Tally {
  const rejectedByCode: Tally['rejectedByCode'] = {};
  for (const { code } of rejections) rejectedByCode[code] = (rejectedByCode[code] ?? 0) + 1;
  const rejected = rejections.length;
  return {
    seen,
    measured,
    notDrawn: seen - measured - rejected - skipped,
    rejected,
    skipped,
    rejectedByCode,
    rejections: [...rejections],
    ...how,
  };
}

/** What a protocol says of how the videos were taken. */
export const drawOf = ({ seen, notDrawn, start, seed }: Tally): Draw => ({
  of: seen,
  start,
  seed: notDrawn > 0 || start === 'random' ? seed : undefined,
});

/** A line such as `real: 12 videos seen = 6 measured + 4 not drawn + 2 rejected (too-short 2) + 0 skipped`. */
export function formatTally(name: string, tally: Tally): string {
  const { seen, measured, notDrawn, rejected, rejectedByCode, skipped } = tally;
  const codes = Object.entries(rejectedByCode).map(([code, count]) => `${code} ${count}`);
  const why = codes.length > 0 ? ` (${codes.join(', ')})` : '';
  return `${name}: ${seen} videos seen = ${measured} measured + ${notDrawn} not drawn + ${rejected} rejected${why} + ${skipped} skipped`;
}

/** A line for each of the first ten rejected videos, with its reason, and one for how many more there are. */
export function formatRejections(name: string, { rejections }: Tally): string[] {
  const lines = rejections
    .slice(0, LISTED)
    .map(({ path, code, problem }) => `${name}: rejected ${path} (${code}): ${problem}`);
  const more = rejections.length - lines.length;
  return more > 0 ? [...lines, `${name}: rejected ${more} more; compare --json lists them all`] : lines;
}
