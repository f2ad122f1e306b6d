import { extname } from 'node:path/posix';
import { inspect } from 'node:util';
import type { Rejection, VideoEntry } from './entry.ts';

/** What a dataset lists. */
export interface Listing {
  entries: VideoEntry[];
  rejected: Rejection[];
  /** Files that have the name of a video and are none, such as the `._clip.mp4` that macOS writes beside a video. */
  skipped: number;
  /** How many files there are that are no videos by their names, by the endings of these. */
  others: Record<string, number>;
  /** Class names in the order of their numbers, where the dataset itself numbers them. */
  classes?: string[];
}

export const createListing = (): Listing => ({ entries: [], rejected: [], skipped: 0, others: {} });

/** Counts a file that is no video by its name. */
export function countOther({ others }: Listing, name: string, count = 1): void {
  const ending = extname(name).toLowerCase();
  others[ending] = (others[ending] ?? 0) + count;
}

/** Adds to one listing what another has. */
export function addListing(listing: Listing, { entries, rejected, skipped, others }: Listing): void {
  for (const entry of entries) listing.entries.push(entry);
  for (const rejection of rejected) listing.rejected.push(rejection);
  listing.skipped += skipped;
  for (const [ending, count] of Object.entries(others)) countOther(listing, `x${ending}`, count);
}

/** The text of a label or caption, none if it is empty. Throws, naming it, on what is neither text nor a number. */
export function toText(name: string, value: unknown): string | undefined {
  if (value === undefined || value === null || value === '') return undefined;
  if (typeof value === 'object' || Number.isNaN(value)) {
    throw new Error(
      `${name} is ${inspect(value, { breakLength: Number.POSITIVE_INFINITY })}; expected text or a number`,
    );
  }
  return String(value).trim() || undefined;
}
