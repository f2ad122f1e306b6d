import { existsSync, realpathSync, type Stats, statSync } from 'node:fs';
import { basename, dirname, extname } from 'node:path';
import { checkFile } from './check-file.ts';
import { numberClasses, readKinetics, readUcf101 } from './class-lists.ts';
import { VideoError } from './entry.ts';
import { addListing, countOther, createListing, type Listing } from './listing.ts';
import { MANIFEST_ENDINGS, readManifest } from './manifest-file.ts';
import { orderClasses, UNLABELLED } from './shards.ts';
import { listTar } from './tar-members.ts';
import { kindOfName, type NameKind, unreadProblem, VIDEO_ENDINGS } from './video-endings.ts';
import { walk } from './walk.ts';

/** How a dataset says what it holds. */
export const LAYOUTS = ['folders', 'manifest', 'webdataset', 'kinetics', 'ucf101'] as const;
export type Layout = (typeof LAYOUTS)[number];

export interface VideoSource {
  /** A folder of videos or of tars, a manifest, or a tar. */
  path: string;
  /** Told by the path unless given. */
  layout?: Layout;
  /** Which videos are taken: the CSV of annotations (kinetics), or a list such as trainlist01.txt (ucf101). */
  list?: string;
}

export interface FoundVideos extends Listing {
  /** The folder that the entries' paths begin at. */
  root: string;
  /** The classes of all that is listed, in the order of their numbers; those without a label come last. */
  classes: string[];
}

/**
 * The videos of a dataset, in an order that is the same each time:
 * - folders: every video below a folder; its label is the name of the folder that it lies in, none in the topmost
 * - manifest: a CSV, JSONL or Parquet file, its paths beginning at its own folder
 * - webdataset: a tar, or the tars below a folder
 * - kinetics: the rows of an annotation CSV (label, youtube_id, time_start, time_end, split), in class folders
 * - ucf101: class folders, or those of a list
 * A folder without a layout is taken for its videos and its tars. What is listed and cannot be taken is among the rejected. Throws
 * if there is no such path or list, or nothing in it that has the name of a video.
 */
export async function findVideos({ path, layout, list }: VideoSource): Promise<FoundVideos> {
  const isFolder = statSource(path).isDirectory();
  const kind = layout ?? guessLayout(path, isFolder);
  const isListed = kind === 'kinetics' || kind === 'ucf101';
  if ((isListed || kind === 'folders') && !isFolder) throw new Error(`${path}: the layout ${kind} needs a folder`);
  if (kind === 'manifest' && isFolder) throw new Error(`${path} is a folder: give the manifest that lies in it`);
  if (list && !isListed) throw new Error(`a list (--list ${list}) needs the layout kinetics or ucf101 (--layout)`);
  if (list && !existsSync(list)) throw new Error(`${list}: no such file; give the list with --list`);
  const root = isFolder ? path : dirname(kind === 'webdataset' ? realpathSync(path) : path);
  const listing = await readListing();
  const { entries, rejected, skipped } = listing;
  if (entries.length + rejected.length + skipped === 0) throw new Error(`${path}: there is no video${describeEmpty()}`);
  return { ...listing, root, classes: classesOf(listing) };

  function describeEmpty(): string {
    if (list || kind === 'manifest') return `: ${list ?? 'it'} lists none`;
    const others = describeOthers(listing.others);
    return `: files that end with ${VIDEO_ENDINGS.join(', ')} are looked for, and tars of them${others && `; there are others, ${others}`}`;
  }

  async function readListing(): Promise<Listing> {
    switch (kind) {
      case 'manifest':
        return readManifest(path);
      case 'webdataset':
        return isFolder ? listFolder(root, ['tar']) : listTarFile(root, basename(realpathSync(path)));
      case 'kinetics':
        return readKinetics(root, requireList(list));
      case 'ucf101':
        return list ? readUcf101(list) : numberClasses(await listFolder(root, ['video', 'unread']), root);
      case 'folders':
        return listFolder(root, layout ? ['video', 'unread'] : ['video', 'unread', 'tar']);
    }
  }
}

function statSource(path: string): Stats {
  try {
    return statSync(path);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    const problem = code === 'ENOENT' ? 'no such file or folder' : `it cannot be read (${code})`;
    throw new Error(`${path}: ${problem}; give a folder of videos, a manifest or a tar`);
  }
}

function guessLayout(path: string, isFolder: boolean): Layout {
  if (isFolder) return 'folders';
  const ending = extname(path).toLowerCase();
  if (MANIFEST_ENDINGS.includes(ending)) return 'manifest';
  if (ending === '.tar') return 'webdataset';
  if (kindOfName(path) === 'video') {
    throw new Error(`${path} is one video: give the folder that it lies in, or a manifest (CSV) that names it`);
  }
  throw new Error(`${path}: expected a folder, a tar, or a manifest (${MANIFEST_ENDINGS.join(', ')})`);
}

function requireList(list: string | undefined): string {
  if (list) return list;
  throw new Error('the layout kinetics needs its list: give the CSV of annotations with --list');
}

/** What lies below a folder and has a name of the kinds that are taken. */
async function listFolder(root: string, kinds: readonly NameKind[]): Promise<Listing> {
  const isFile = (kind: NameKind) => kind !== 'unread' && kinds.includes(kind);
  const { paths, rejected } = walk(root, (path) => isFile(kindOfName(path)));
  const listing = { ...createListing(), rejected };
  for (const path of paths) {
    const kind = kindOfName(path);
    const folder = dirname(path);
    const label = folder === '.' ? undefined : basename(folder);
    if (kind === 'skipped') listing.skipped++;
    else if (!kinds.includes(kind)) countOther(listing, path);
    else if (kind === 'tar') addListing(listing, await listTarFile(root, path));
    else if (kind === 'unread') {
      listing.rejected.push({ path, label, code: 'format', problem: unreadProblem(path) });
    } else listing.entries.push({ path, label });
  }
  return listing;
}

async function listTarFile(root: string, path: string): Promise<Listing> {
  try {
    return await listTar(checkFile(root, { path }, Number.POSITIVE_INFINITY), path);
  } catch (error) {
    if (!(error instanceof VideoError)) throw error;
    return { ...createListing(), rejected: [{ path, code: error.code, problem: error.message }] };
  }
}

/** The classes of all that is listed, so that a video that cannot be used moves the number of no class. */
function classesOf({ entries, rejected, classes }: Listing): string[] {
  const isUnlabelled = entries.some(({ label }) => label === undefined);
  const unlabelled = isUnlabelled ? [UNLABELLED] : [];
  if (classes) return [...classes, ...unlabelled];
  const labels = [...entries, ...rejected].flatMap(({ label }) => label ?? []);
  return orderClasses([...labels, ...unlabelled]);
}

/** Other files by the endings of their names, the most frequent first: 12 .txt, 3 .json. Empty if there is none. */
export function describeOthers(others: Record<string, number>): string {
  const sorted = Object.entries(others).sort(([, a], [, b]) => b - a);
  const shown = sorted.slice(0, 5).map(([ending, count]) => `${count} ${ending || 'without an ending'}`);
  return [...shown, ...(sorted.length > 5 ? ['...'] : [])].join(', ');
}
