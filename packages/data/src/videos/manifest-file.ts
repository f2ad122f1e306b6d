import { readFileSync } from 'node:fs';
import { extname } from 'node:path';
import { parse as parseCsv } from 'csv-parse/sync';
import { asyncBufferFromFile, parquetReadObjects } from 'hyparquet';
import type { Rejection, VideoEntry } from './entry.ts';

export interface Listing {
  entries: VideoEntry[];
  rejected: Rejection[];
}

export const MANIFEST_ENDINGS = ['.csv', '.jsonl', '.parquet'];

const COLUMNS = ['path', 'label', 'caption', 'start', 'end'] as const;
type Row = Partial<Record<(typeof COLUMNS)[number], unknown>>;

/**
 * The videos that a CSV, JSONL or Parquet file lists in the columns path, label, caption, start and end (seconds), of which
 * path alone must be there; others are ignored. A row that is wrong is rejected by its number. Throws if the file cannot be
 * read or has no column of that name.
 */
export async function readManifest(file: string): Promise<Listing> {
  const rows = await readRows(file);
  if (rows.length > 0 && !rows.some((row) => 'path' in row)) {
    throw new Error(
      `${file} has the columns ${Object.keys(rows[0]!).join(', ')}; expected path, and if need be label, caption, start, end`,
    );
  }
  const listing: Listing = { entries: [], rejected: [] };
  for (const [i, row] of rows.entries()) {
    const entry = toEntry(row);
    if (typeof entry === 'string') {
      listing.rejected.push({ path: String(row.path ?? ''), code: 'listing', problem: `row ${i + 1}: ${entry}` });
    } else listing.entries.push(entry);
  }
  return listing;
}

async function readRows(file: string): Promise<Row[]> {
  try {
    switch (extname(file).toLowerCase()) {
      case '.csv':
        return parseCsv(readFileSync(file), { columns: true, bom: true, skip_empty_lines: true, trim: true });
      case '.jsonl':
        return readFileSync(file, 'utf8')
          .split('\n')
          .filter((line) => line.trim() !== '')
          .map((line) => JSON.parse(line) as Row);
      case '.parquet':
        return (await parquetReadObjects({ file: await asyncBufferFromFile(file) })) as Row[];
      default:
        throw new Error(`its name ends with none of ${MANIFEST_ENDINGS.join(', ')}`);
    }
  } catch (error) {
    throw new Error(`${file} cannot be read as a list of videos: ${(error as Error).message}`);
  }
}

/** The entry, or what is wrong with the row. */
function toEntry({ path, label, caption, start, end }: Row): VideoEntry | string {
  if (typeof path !== 'string' || path === '') return `path is ${JSON.stringify(path)}; expected the path of a video`;
  const seconds = { start: toSeconds(start), end: toSeconds(end) };
  for (const [name, value] of Object.entries(seconds)) {
    if (Number.isNaN(value)) return `${name} is no number of seconds of at least 0`;
  }
  if ((seconds.end ?? Number.POSITIVE_INFINITY) <= (seconds.start ?? 0)) {
    return `end, ${seconds.end}, is not after start, ${seconds.start ?? 0}`;
  }
  return {
    path: path.replaceAll('\\', '/'),
    ...(isGiven(label) && { label: String(label) }),
    ...(isGiven(caption) && { caption: String(caption) }),
    ...(seconds.start !== undefined && { start: seconds.start }),
    ...(seconds.end !== undefined && { end: seconds.end }),
  };
}

const isGiven = (value: unknown): boolean => value !== undefined && value !== null && value !== '';

/** NaN if it is no number of at least 0. */
function toSeconds(value: unknown): number | undefined {
  if (!isGiven(value)) return undefined;
  const seconds = Number(value);
  return seconds >= 0 && Number.isFinite(seconds) ? seconds : Number.NaN;
}
