import { existsSync, readFileSync } from 'node:fs';
import { type DataRecord, datasetKind } from '@eflow/data';
import { closest } from 'fastest-levenshtein';
import { sync as writeFileAtomically } from 'write-file-atomic';
import type { RunConfig } from './config.ts';
import type { RunFolder } from './run-folder.ts';

/** What identifies a config's data; undefined where their config does. Throws where they cannot be used. */
export const recordData = ({ data, seed }: RunConfig): DataRecord | undefined =>
  datasetKind(data).record?.({ ...data, seed });

/**
 * Throws if a run that was trained on `before` would go on with other classes, with another part of the same videos held out, or with
 * other videos in the folder of the same name; those of another folder were asked for.
 */
export function assertSameData(before: DataRecord, now: DataRecord): void {
  const number = Array.from(before.classes.length > now.classes.length ? before.classes : now.classes).findIndex(
    (_, i) => before.classes[i] !== now.classes[i],
  );
  if (number >= 0) {
    throw new Error(
      `the run was trained on other classes than there are in ${now.folder}: class ${number} was ${nameOf(before, number)} and is ${nameOf(now, number)}. ` +
        'Put the videos back that it was trained on, or prepare them so that each class has its number; to train on these classes, start a new run with --out',
    );
  }
  if (before.digest === now.digest && before.heldOut?.digest !== now.heldOut?.digest) {
    throw new Error(
      `the run was trained with another part of the videos in ${now.folder} held out (${before.heldOut?.videos ?? 0} of ${before.videos} then, ${now.heldOut?.videos ?? 0} now). ` +
        'Set data.heldOut to what it was; to train on another part, start a new run with --out',
    );
  }
  if (before.digest !== now.digest && before.folder === now.folder) {
    throw new Error(
      `the run was trained on other videos than there are in ${now.folder} (${before.videos} then, ${now.videos} now). ` +
        'Put those back; or, to go on with these, give them a folder of another name and say so: train --resume RUN data.folder=FOLDER',
    );
  }
}

const quote = (name: string) => `'${name}'`;
const nameOf = ({ classes }: DataRecord, number: number) =>
  number < classes.length ? quote(classes[number]!) : 'none';

/** The record of a run's folder; undefined for moving digits, and for runs from before there were records. */
export const readDataRecord = ({ data }: RunFolder): DataRecord | undefined =>
  existsSync(data) ? JSON.parse(readFileSync(data, 'utf8')) : undefined;

export function writeDataRecord({ data }: RunFolder, record: DataRecord): void {
  writeFileAtomically(data, `${JSON.stringify(record, null, 2)}\n`);
}

/**
 * Names of a run's classes, in the order of their numbers; the digits or pairs of moving digits, such as 07. Undefined for a run on
 * videos from before there were records.
 */
export const classNames = (folder: RunFolder, { data }: RunConfig): string[] | undefined =>
  datasetKind(data).describe(data).classNames ?? readDataRecord(folder)?.classes;

/**
 * The number of the class that a text names: by its name or, where no class has that name, by its number. Throws, naming the nearest,
 * if there is none.
 */
export function findClass(text: string, numClasses: number, names: readonly string[] = []): number {
  const byName = names.indexOf(text);
  if (byName >= 0) return byName;
  const number = Number(text);
  if (/^\d+$/.test(text) && number < numClasses) return number;
  const range = `a number from 0 to ${numClasses - 1}`;
  const expected = names.length > 0 ? `a name, or ${range}; did you mean '${closest(text, [...names])}'?` : range;
  throw new Error(`no class '${text}': expected ${expected}`);
}
