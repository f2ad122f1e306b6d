import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { openVideos, readIndex } from '@eflow/data';
import { closest } from 'fastest-levenshtein';
import { sync as writeFileAtomically } from 'write-file-atomic';
import type { RunConfig } from './config.ts';
import type { RunFolder } from './run-folder.ts';

/** The prepared videos that a run is trained on: kept in its folder and in its checkpoints, and compared where it goes on. */
export type DataRecord = {
  folder: string;
  /** Names of the classes, in the order of their numbers. */
  classes: string[];
  /** SHA-256 of the frames' digests, the videos' places, lengths and labels, and the size: what clips are made from. */
  digest: string;
  videos: number;
  /** Videos with fewer frames than `span`, which are left out. */
  tooShort: number;
  /** Frames that a clip spans. */
  span: number;
  /** Names of the classes that have no video of that length. */
  emptyClasses: string[];
};

/**
 * What a config's data are; undefined for moving digits, which their config describes. Throws as `openVideos` does, and if more than
 * `data.maxTooShort` of the videos are too short for a clip.
 */
export function recordData({ data, seed }: RunConfig): DataRecord | undefined {
  if (data.kind === 'movingDigits') return undefined;
  const { height, width, channels, classes, shards } = readIndex(data.folder);
  const videosOf = ({ videos }: (typeof shards)[number]) =>
    videos.map(({ label, offset, numFrames }) => [label ?? null, offset, numFrames]);
  const content = [height, width, channels, classes, shards.map((shard) => [shard.sha256, videosOf(shard)])];
  const clips = openVideos({ ...data, seed });
  clips.close();
  const record = {
    ...{ folder: data.folder, classes },
    digest: createHash('sha256').update(JSON.stringify(content)).digest('hex'),
    ...{ videos: clips.length + clips.tooShort, tooShort: clips.tooShort, span: clips.span },
    emptyClasses: classes.filter((_, i) => clips.classCounts[i]!.tooShort === clips.classCounts[i]!.videos),
  };
  if (record.tooShort > data.maxTooShort * record.videos) {
    throw new Error(
      `${data.folder}: ${describeTooShort(record)} That is more than ${100 * data.maxTooShort} %: ` +
        'choose a smaller data.numFrames or data.frameStride, or allow more with data.maxTooShort',
    );
  }
  return record;
}

/** Sentences on the videos that are left out; undefined if there are none. */
export function describeTooShort(record: DataRecord): string | undefined {
  const { videos, tooShort, span, emptyClasses } = record;
  if (tooShort === 0) return undefined;
  const left = `${tooShort} of ${videos} videos have fewer than the ${span} frames that a clip spans, and are left out.`;
  return emptyClasses.length === 0 ? left : `${left} Nothing is left of ${emptyClasses.map(quote).join(', ')}.`;
}

/**
 * Throws if a run that was trained on `before` would go on with other classes, or with other videos in the folder of the same name;
 * those of another folder were asked for.
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
export function classNames(folder: RunFolder, { data }: RunConfig): string[] | undefined {
  if (data.kind === 'videos') return readDataRecord(folder)?.classes;
  const { numDigits } = data;
  return Array.from({ length: 10 ** numDigits }, (_, label) => String(label).padStart(numDigits, '0'));
}

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
