import { existsSync, readdirSync } from 'node:fs';
import { basename, dirname, extname, join } from 'node:path';
import { createListing, type Listing } from './listing.ts';
import { readCsv, readText, splitLines } from './text-file.ts';
import { kindOfName, unreadProblem } from './video-endings.ts';

/**
 * The videos of a Kinetics annotation CSV. Kinetics names a clip by its YouTube id and the seconds it was cut from; its class
 * folders have spaces or underscores. Rows whose file is not there are rejected. Throws if the CSV is another.
 */
export function readKinetics(root: string, list: string): Listing {
  const rows = readCsv(list, 'youtube_id');
  if (rows.length > 0 && !('youtube_id' in rows[0]!)) {
    throw new Error(
      `${list} has the columns ${Object.keys(rows[0]!).join(', ')}; expected label, youtube_id, time_start, time_end, split`,
    );
  }
  const filesIn = createFinder(root);
  const listing = createListing();
  for (const [i, row] of rows.entries()) {
    const { youtube_id: id, time_start: from, time_end: to, split } = row;
    const label = row.label || undefined;
    const where = `row ${i + 1} of ${list}`;
    if (!id || from === undefined || to === undefined) {
      const problem = `${where} lacks youtube_id, time_start or time_end`;
      listing.rejected.push({ path: id ?? '', label, code: 'listing', problem });
      continue;
    }
    const name = `${id}_${from.padStart(6, '0')}_${to.padStart(6, '0')}`;
    const classes = label ? [label, label.replaceAll(' ', '_')] : ['.'];
    const splits = split?.startsWith('val') ? [split, 'val', 'validate', 'validation'] : split ? [split] : [];
    const folders = [...splits.flatMap((one) => classes.map((two) => join(one, two))), ...classes, ...splits];
    const files = folders.flatMap((folder) => filesIn(folder, name));
    const path = files.find((file) => kindOfName(file) === 'video');
    const unread = files.find((file) => kindOfName(file) === 'unread');
    if (path) listing.entries.push({ path, label });
    else if (unread) listing.rejected.push({ path: unread, label, code: 'format', problem: unreadProblem(unread) });
    else {
      const problem = `${where}: no such file`;
      listing.rejected.push({ path: join(folders[0]!, `${name}.mp4`), label, code: 'missing', problem });
    }
  }
  return listing;
}

/** Finds the paths of the files in a folder below `root` that have a name but for their endings. */
function createFinder(root: string): (folder: string, name: string) => string[] {
  const folders = new Map<string, Map<string, string[]>>();
  const read = (folder: string): Map<string, string[]> => {
    const names = existsSync(join(root, folder)) ? readdirSync(join(root, folder)).sort() : [];
    const files = new Map<string, string[]>();
    for (const name of names) {
      const stem = basename(name, extname(name));
      files.set(stem, [...(files.get(stem) ?? []), join(folder, name)]);
    }
    folders.set(folder, files);
    return files;
  };
  return (folder, name) => (folders.get(folder) ?? read(folder)).get(name) ?? [];
}

/** The paths of a list that has one on each line, as UCF-101's have: in those of training, the number of the class after it. */
export function readPathList(list: string): { path: string; number?: number; where: string }[] {
  return splitLines(readText(list)).flatMap((line, i) => {
    const [, path, number] = /^\s*(\S.*?)(?:\s+(\d+))?\s*$/.exec(line) ?? [];
    return path === undefined
      ? []
      : [{ path, ...(number && { number: Number(number) }), where: `${list}, line ${i + 1}` }];
  });
}

/**
 * The videos of one of UCF-101's lists, whose paths have their class folders. Throws if the numbers of classes contradict each other.
 */
export function readUcf101(list: string): Listing {
  const listing = createListing();
  const numbers: ClassNumber[] = [];
  for (const { path, number, where } of readPathList(list)) {
    const label = dirname(path) === '.' ? undefined : basename(dirname(path));
    listing.entries.push({ path, label });
    if (label && number !== undefined) numbers.push({ label, number, where });
  }
  return numberClasses(listing, dirname(list), numbers);
}

interface ClassNumber {
  label: string;
  /** Counts from 1. */
  number: number;
  where: string;
}

/** The most classes that a list may number. */
const MAX_CLASSES = 65_536;

/**
 * The listing with its classes in the order of UCF-101's numbers: those of `classInd.txt` in `folder`, if it is there, and of a
 * list. Without either it is as it was. Throws if one class has two numbers, two have one, or one has none.
 */
export function numberClasses(listing: Listing, folder: string, ofList: readonly ClassNumber[] = []): Listing {
  const index = join(folder, 'classInd.txt');
  const lines = existsSync(index) ? splitLines(readText(index)) : [];
  const ofIndex = lines.flatMap((line, i): ClassNumber[] => {
    const [, number, label] = /^\s*(\d+)\s+(.+?)\s*$/.exec(line) ?? [];
    return label === undefined ? [] : [{ label, number: Number(number), where: `${index}, line ${i + 1}` }];
  });
  const numbers = new Map<string, number>();
  const classes: string[] = [];
  for (const { label, number, where } of [...ofIndex, ...ofList]) {
    if (number < 1 || number > MAX_CLASSES) {
      throw new Error(`${where}: the number of class ${label} is ${number}; expected 1 to ${MAX_CLASSES}`);
    }
    const other = classes[number - 1] ?? label;
    if (other !== label) throw new Error(`${where}: class ${number} is ${label} here and ${other} before`);
    const before = numbers.get(label) ?? number;
    if (before !== number) throw new Error(`${where}: ${label} is class ${number} here and class ${before} before`);
    numbers.set(label, number);
    classes[number - 1] = label;
  }
  if (numbers.size === 0) return listing;
  for (const { path, label } of listing.entries) {
    if (label !== undefined && !numbers.has(label)) {
      throw new Error(`${path}: its class, ${label}, has no number in ${ofIndex.length > 0 ? index : 'the list'}`);
    }
  }
  // A number that is given to no class keeps its place.
  return { ...listing, classes: Array.from(classes, (label, i) => label ?? `class ${i + 1}`) };
}
