import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { sync as writeFileAtomically } from 'write-file-atomic';
import { DECODING_VERSION } from './decode.ts';
import type { VideoEntry } from './entry.ts';
import { readPieces } from './file-pieces.ts';
import type { VideoSource } from './find-videos.ts';
import { INDEX, type Shard, type ShardLimits } from './shards.ts';

export interface PlanOptions {
  source: VideoSource;
  /** All that the frames depend on besides the videos. */
  settings: object;
  videosPerShard: number;
  /** Tells a changed file by its content, not by its size and time. */
  byContent: boolean;
  limits: ShardLimits;
}

/** A shard as it is to be. */
export interface PlannedShard {
  name: string;
  entries: VideoEntry[];
  /** Digest of the entries with their files' sizes and times, or hashes: another one is another shard. */
  made: string;
  /** The shard, if it is there already and nothing has changed since. */
  done?: Shard;
  /** It is there, and has to be made again. */
  isStale: boolean;
}

/**
 * Makes the folder, or goes on with one of the same settings, and plans its shards: those of unchanged videos stay; those with changed
 * ones, or with rejections that may turn out otherwise now, are made again. Throws, before anything is touched, if the folder holds
 * something else, shards made with other settings, or shards of other videos.
 */
export function enterFolder(
  out: string,
  root: string,
  entries: readonly VideoEntry[],
  options: PlanOptions,
): PlannedShard[] {
  const { source, settings, videosPerShard, byContent, limits } = options;
  const file = join(out, 'plan.json');
  const made = { decoding: DECODING_VERSION, ...settings };
  const from = { ...source, path: resolve(source.path) };
  const names = existsSync(out) ? readdirSync(out) : [];
  if (names.length > 0 && !existsSync(file)) {
    throw new Error(`${out} holds something else: give a new folder with --out`);
  }
  const before = existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')) : { made, from };
  if (JSON.stringify(before.made) !== JSON.stringify(made)) {
    throw new Error(
      `${out} holds shards made with other settings (${JSON.stringify(before.made ?? before)}, now ${JSON.stringify(made)}): remove it, or give a new folder with --out`,
    );
  }
  const stamp = createStamp(root, byContent);
  let isOther = false;
  const planned = Array.from({ length: Math.ceil(entries.length / videosPerShard) }, (_, i): PlannedShard => {
    const part = entries.slice(i * videosPerShard, (i + 1) * videosPerShard);
    const name = `shard-${String(i).padStart(5, '0')}`;
    const digest = createHash('sha256')
      .update(JSON.stringify(part.map((entry) => [entry, stamp(entry)])))
      .digest('hex');
    const there = readShard(out, name);
    if (there && there.made !== digest) isOther = true;
    const isUsable =
      there?.made === digest && !there.rejected.some(({ code }) => mayTurnOut(code, there.limits, limits));
    return {
      name,
      entries: part,
      made: digest,
      isStale: there !== undefined && !isUsable,
      done: isUsable ? there : undefined,
    };
  });
  const kept = new Set(planned.map(({ name }) => name));
  const extra = names.filter((name) => /^shard-\d+\./.test(name) && !kept.has(name.split('.')[0]!));
  if (extra.length > 0) isOther = true;
  if (isOther && JSON.stringify(before.from) !== JSON.stringify(from)) {
    throw new Error(
      `${out} holds shards of other videos (${describe(before.from)}, now ${describe(from)}): remove it, or give a new folder with --out`,
    );
  }
  mkdirSync(out, { recursive: true });
  // A folder is complete with its index, which goes first where a shard is to be made again.
  if (extra.length > 0 || planned.some(({ done }) => !done)) rmSync(join(out, INDEX), { force: true });
  writeFileAtomically(file, JSON.stringify({ made, from }));
  for (const name of [...extra, ...names.filter((one) => one.endsWith('.tmp'))])
    rmSync(join(out, name), { force: true });
  return planned;
}

const describe = ({ path, layout, list }: VideoSource) =>
  [path, ...(layout ? [layout] : []), ...(list ? [list] : [])].join(', ');

/** What came of a finished shard; none if its frames are not there. */
function readShard(out: string, name: string): Shard | undefined {
  const part = join(out, `${name}.json`);
  if (!existsSync(part)) return undefined;
  const shard: Shard = JSON.parse(readFileSync(part, 'utf8'));
  const path = join(out, shard.file);
  return existsSync(path) && statSync(path).size === shard.bytes ? shard : undefined;
}

/** Whether a video that was rejected may be usable now although its file is the same. */
function mayTurnOut(code: string, before: ShardLimits | undefined, now: ShardLimits): boolean {
  switch (code) {
    case 'crash':
      return true;
    case 'deadline':
      return now.deadlineSeconds > (before?.deadlineSeconds ?? 0);
    case 'memory':
      return now.maxResidentBytes > (before?.maxResidentBytes ?? 0);
    default:
      return false;
  }
}

/** What tells a file from what it was: its size and time, or its hash; null if there is none. Files with many videos are asked once. */
function createStamp(root: string, byContent: boolean) {
  const known = new Map<string, string | null>();
  return ({ path }: VideoEntry): string | null => {
    const stamp = known.get(path) ?? stampOf(join(root, path), byContent);
    known.set(path, stamp);
    return stamp;
  };
}

function stampOf(file: string, byContent: boolean): string | null {
  try {
    const { size, mtimeMs } = statSync(file);
    return byContent ? hashFile(file) : `${size} ${mtimeMs}`;
  } catch {
    return null; // whoever decodes it says what is wrong
  }
}

function hashFile(file: string): string {
  const hash = createHash('sha256');
  for (const piece of readPieces(file)) hash.update(piece);
  return hash.digest('hex');
}
