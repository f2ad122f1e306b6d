import { realpathSync } from 'node:fs';
import { dirname, extname, isAbsolute, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { asyncBufferFromFile, parquetReadObjects } from 'hyparquet';
import { isInside } from './check-file.ts';
import type { VideoEntry } from './entry.ts';
import { createListing, type Listing, toText } from './listing.ts';
import { readCsv, readText, splitLines } from './text-file.ts';

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
  const listing = createListing();
  for (const [i, row] of rows.entries()) {
    try {
      listing.entries.push(toEntry(row, dirname(file)));
    } catch (error) {
      const problem = `row ${i + 1}: ${(error as Error).message}`;
      listing.rejected.push({ path: String(row.path ?? ''), code: 'listing', problem });
    }
  }
  return listing;
}

async function readRows(file: string): Promise<Row[]> {
  try {
    switch (extname(file).toLowerCase()) {
      case '.csv':
        return readCsv(file, 'path');
      case '.jsonl':
        return splitLines(readText(file)).flatMap((line, i) => (line.trim() === '' ? [] : [parseLine(line, i + 1)]));
      case '.parquet':
        return (await parquetReadObjects({ file: await asyncBufferFromFile(file) })) as Row[];
      default:
        throw new Error(`its name ends with none of ${MANIFEST_ENDINGS.join(', ')}`);
    }
  } catch (error) {
    throw new Error(`${file} cannot be read as a list of videos: ${(error as Error).message}`);
  }
}

function parseLine(line: string, number: number): Row {
  try {
    const row: unknown = JSON.parse(line);
    if (typeof row === 'object' && row !== null) return row;
  } catch (error) {
    throw new Error(`line ${number}: ${(error as Error).message}`);
  }
  throw new Error(`line ${number} is no object: expected {"path": "...", "label": "..."}`);
}

/** The entry. Throws, naming it, on what is wrong with the row. */
function toEntry({ path, label, caption, start, end }: Row, folder: string): VideoEntry {
  if (typeof path !== 'string' || path === '') {
    throw new Error(`path is ${JSON.stringify(path)}; expected the path of a video`);
  }
  const given = {
    label: toText('label', label),
    caption: toText('caption', caption),
    start: toSeconds('start', start),
    end: toSeconds('end', end),
  };
  if ((given.end ?? Number.POSITIVE_INFINITY) <= (given.start ?? 0)) {
    throw new Error(`end, ${given.end}, is not after start, ${given.start ?? 0}`);
  }
  return { path: toPath(path, folder), ...given };
}

/** A path from the manifest's folder on, with forward slashes. An absolute one that leads out of it stays as it is. */
function toPath(path: string, folder: string): string {
  const file = path.startsWith('file:///') ? fileURLToPath(path) : path.replaceAll('\\', '/');
  if (!isAbsolute(file)) return file;
  const inside = [resolve(folder), realpathSync(folder)].find((one) => isInside(one, file));
  return inside === undefined ? file : relative(inside, file);
}

function toSeconds(name: string, value: unknown): number | undefined {
  if (value === undefined || value === null || value === '') return undefined;
  const seconds = Number(value);
  if (seconds >= 0 && Number.isFinite(seconds)) return seconds;
  throw new Error(`${name} is no number of seconds of at least 0`);
}
