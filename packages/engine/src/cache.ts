import { execFile, spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, renameSync, rmSync } from 'node:fs';
import { mkdir, open, readdir, readFile, rename, rm, stat, symlink } from 'node:fs/promises';
import { homedir, hostname } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';

/** The cache folder: EFLOW_CACHE, else `eflow` in the user's cache folder. */
export const cacheFolder = (env: NodeJS.ProcessEnv = process.env): string =>
  env.EFLOW_CACHE || join(env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'eflow');

const DAY_MS = 24 * 3600 * 1000;
/** A temporary's name, and what a builder may append to it for temporaries of its own. */
const TEMPORARY = /\.tmp-(?<host>[^~]*)~(?<pid>\d+)~[0-9a-f]+(\.[a-z.]+)?$/;

const temporaryName = (target: string) =>
  `${target}.tmp-${hostname()}~${process.pid}~${randomBytes(4).toString('hex')}`;

/**
 * Makes `target`, a file or a folder, appear complete or not at all: `build` fills a temporary name beside it, which
 * is then renamed. Whoever renames first wins. Does nothing if `target` exists.
 */
export async function buildAtomically(target: string, build: (temporary: string) => Promise<void>): Promise<void> {
  if (existsSync(target)) return;
  await mkdir(dirname(target), { recursive: true });
  const temporary = temporaryName(target);
  try {
    await build(temporary);
    await promisify(execFile)('sync', ['-f', temporary]).catch(() => {}); // so that a power cut leaves no empty files
    await rename(temporary, target).catch((error) => {
      if (!existsSync(target)) throw error;
    });
  } finally {
    await rm(temporary, { recursive: true, force: true });
  }
}

/** As buildAtomically, while everything else in this process waits. */
export function buildAtomicallySync(target: string, build: (temporary: string) => void): void {
  if (existsSync(target)) return;
  mkdirSync(dirname(target), { recursive: true });
  const temporary = temporaryName(target);
  try {
    build(temporary);
    spawnSync('sync', ['-f', temporary]);
    renameSync(temporary, target);
  } catch (error) {
    if (!existsSync(target)) throw error;
  } finally {
    rmSync(temporary, { recursive: true, force: true });
  }
}

/** Makes `path` a link to `target` by one rename, whatever it was before. */
export async function linkAtomically(target: string, path: string): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  const temporary = temporaryName(path);
  await symlink(target, temporary);
  await rename(temporary, path);
}

/** Removes `target` at once: its name first, then its content. */
export async function removeAtomically(target: string): Promise<void> {
  if (!existsSync(target)) return;
  const temporary = temporaryName(target);
  await rename(target, temporary);
  await rm(temporary, { recursive: true, force: true });
}

/** Removes what killed runs left in `folder`: temporaries of dead processes, and of any other machine's after a day. */
export async function removeDeadTemporaries(folder: string): Promise<void> {
  for (const name of await readdir(folder).catch(() => [])) {
    const owner = TEMPORARY.exec(name)?.groups;
    if (!owner) continue;
    const path = join(folder, name);
    const ageMs = Date.now() - ((await stat(path).catch(() => undefined))?.mtimeMs ?? Date.now());
    if (ageMs > DAY_MS || !isAlive(owner.host!, Number(owner.pid))) await rm(path, { recursive: true, force: true });
  }
}

/** Runs `fn` while holding the lock file `path`; a dead holder's lock is taken over. */
export async function withLock<T>(path: string, onWait: (holder: string) => void, fn: () => Promise<T>): Promise<T> {
  await mkdir(dirname(path), { recursive: true });
  for (let waited = false; !(await tryLock(path)); waited = true) {
    const holder = await readFile(path, 'utf8').catch(() => '');
    const [host = '', pid = '0'] = holder.split('~');
    const ageMs = Date.now() - ((await stat(path).catch(() => undefined))?.mtimeMs ?? 0);
    // A holder that has made its file and not yet written its name has a moment to do so. If two take over at once,
    // both run: every stage is atomic, so that costs time only.
    if (holder === '' ? ageMs > 2000 : !isAlive(host, Number(pid)) || ageMs > DAY_MS) {
      await rm(path, { force: true });
      continue;
    }
    if (!waited) onWait(`${basename(path)} of process ${pid} on ${host}`);
    await sleep(300);
  }
  try {
    return await fn();
  } finally {
    await rm(path, { force: true });
  }
}

async function tryLock(path: string): Promise<boolean> {
  const file = await open(path, 'wx').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'EEXIST') return undefined;
    throw error;
  });
  await file?.writeFile(`${hostname()}~${process.pid}`);
  await file?.close();
  return file !== undefined;
}

/** Whether a process may still run; of other machines nothing is known, so theirs count as alive. */
function isAlive(host: string, pid: number): boolean {
  if (host !== hostname()) return true;
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'EPERM';
  }
}
