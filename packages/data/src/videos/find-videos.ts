import { type Dirent, existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { basename, dirname, extname, join, relative, resolve, sep } from 'node:path';
import { parse as parseCsv } from 'csv-parse/sync';
import type { Rejection, VideoEntry } from './entry.ts';
import { type Listing, MANIFEST_ENDINGS, readManifest } from './manifest-file.ts';
import { listTar } from './tar-members.ts';
import { VIDEO_ENDINGS } from './video-endings.ts';

/** How a dataset says what it holds. */
export const LAYOUTS = ['folders', 'manifest', 'webdataset', 'kinetics', 'ucf101'] as const;
export type Layout = (typeof LAYOUTS)[number];

export interface VideoSource {
  /** A folder of videos or of tars, a manifest, or a tar. */
  path: string;
  /** Told by the path unless given. */
  layout?: Layout;
  /** Of kinetics the CSV of annotations, of ucf101 a list such as trainlist01.txt: which videos are taken. */
  list?: string;
}

export interface FoundVideos extends Listing {
  /** What the entries' paths begin at. */
  root: string;
}

/**
 * The videos of a dataset, in an order that is the same each time:
 * - folders: every video below a folder; its label is the name of the folder that it lies in, none in the topmost
 * - manifest: a CSV, JSONL or Parquet file, its paths beginning at its own folder
 * - webdataset: a tar, or a folder of them
 * - kinetics: the rows of an annotation CSV (label, youtube_id, time_start, time_end, split), in class folders
 * - ucf101: class folders, or those of a list
 * Throws if there is no such path or list. What is listed and cannot be taken is among the rejected.
 */
export async function findVideos({ path, layout, list }: VideoSource): Promise<FoundVideos> {
  if (!existsSync(path))
    throw new Error(`${path}: no such file or folder; give a folder of videos, a manifest or a tar`);
  const kind = layout ?? guessLayout(path);
  const isFolder = statSync(path).isDirectory();
  const root = isFolder ? path : dirname(path);
  if ((kind === 'folders' || kind === 'kinetics' || kind === 'ucf101') && !isFolder) {
    throw new Error(`${path}: the layout ${kind} needs a folder`);
  }
  switch (kind) {
    case 'manifest':
      return { root, ...(await readManifest(path)) };
    case 'webdataset':
      return { root, ...(await listTars(isFolder ? walk(path, ['.tar']).paths : [basename(path)], root)) };
    case 'kinetics':
      return { root, ...readKinetics(root, requireList(kind, list)) };
    case 'ucf101':
      return { root, ...(list ? readUcf101(list) : listFolders(root)) };
    case 'folders':
      return { root, ...listFolders(root) };
  }
}

function guessLayout(path: string): Layout {
  if (!statSync(path).isDirectory()) {
    const ending = extname(path).toLowerCase();
    if (MANIFEST_ENDINGS.includes(ending)) return 'manifest';
    if (ending === '.tar') return 'webdataset';
    throw new Error(`${path}: expected a folder, a tar, or a manifest (${MANIFEST_ENDINGS.join(', ')})`);
  }
  const names = readdirSync(path).map((name) => extname(name).toLowerCase());
  return names.includes('.tar') && !names.some((name) => VIDEO_ENDINGS.includes(name)) ? 'webdataset' : 'folders';
}

function requireList(layout: Layout, list: string | undefined): string {
  if (list) return list;
  throw new Error(`the layout ${layout} needs its list: give the CSV of annotations with --list`);
}

async function listTars(paths: readonly string[], root: string): Promise<Listing> {
  const listings: Listing[] = [];
  for (const path of paths) listings.push(await listTar(join(root, path), path));
  return {
    entries: listings.flatMap(({ entries }) => entries),
    rejected: listings.flatMap(({ rejected }) => rejected),
  };
}

function listFolders(root: string): Listing {
  const { paths, rejected } = walk(root, VIDEO_ENDINGS);
  const entries = paths.map((path): VideoEntry => {
    const folder = dirname(path);
    return { path, ...(folder !== '.' && { label: basename(folder) }) };
  });
  return { entries, rejected };
}

/** Files below `root` with one of the endings, in the order of their paths. Links are listed, not followed into folders. */
function walk(root: string, endings: readonly string[]): { paths: string[]; rejected: Rejection[] } {
  const found: string[] = [];
  const rejected: Rejection[] = [];
  const visit = (folder: string): void => {
    const entries: Dirent[] = readdirSync(folder, { withFileTypes: true });
    for (const entry of entries.sort((a, b) => (a.name < b.name ? -1 : 1))) {
      const path = join(folder, entry.name);
      const name = relative(root, path).split(sep).join('/');
      const isWanted = endings.includes(extname(entry.name).toLowerCase());
      if (entry.isDirectory()) {
        if (isWanted) rejected.push({ path: name, code: 'not-a-file', problem: `${name} is a folder` });
        else visit(path);
      } else if (isWanted) found.push(name);
    }
  };
  visit(resolve(root));
  return { paths: found, rejected };
}

/** Kinetics names a clip by its YouTube id and the seconds it was cut from; class folders have spaces or underscores. */
function readKinetics(root: string, list: string): Listing {
  const rows: Record<string, string>[] = parseCsv(readFileSync(list), { columns: true, bom: true, trim: true });
  const listing: Listing = { entries: [], rejected: [] };
  for (const [i, row] of rows.entries()) {
    const { label, youtube_id: id, time_start: from, time_end: to, split } = row;
    if (!id || from === undefined || to === undefined) {
      listing.rejected.push({
        path: id ?? '',
        code: 'listing',
        problem: `row ${i + 1} of ${list} lacks youtube_id, time_start or time_end`,
      });
      continue;
    }
    const name = `${id}_${from.padStart(6, '0')}_${to.padStart(6, '0')}`;
    const classes = label ? [label, label.replaceAll(' ', '_')] : ['.'];
    const folders = [...(split ? classes.map((one) => join(split, one)) : []), ...classes, ...(split ? [split] : [])];
    const candidates = folders.flatMap((folder) =>
      VIDEO_ENDINGS.map((ending) =>
        join(folder, name + ending)
          .split(sep)
          .join('/'),
      ),
    );
    const path = candidates.find((candidate) => existsSync(join(root, candidate)));
    if (path) listing.entries.push({ path, ...(label && { label }) });
    else
      listing.rejected.push({
        path: candidates[0]!,
        code: 'missing',
        problem: `row ${i + 1} of ${list}: no such file`,
      });
  }
  return listing;
}

/** UCF-101's lists have a path with its class folder on each line, those of training the number of the class after it. */
function readUcf101(list: string): Listing {
  const lines = readFileSync(list, 'utf8').split(/\r?\n/);
  const paths = lines.map((line) => line.replace(/\s+\d+$/, '').trim()).filter((path) => path !== '');
  return { entries: paths.map((path) => ({ path, label: dirname(path) })), rejected: [] };
}
