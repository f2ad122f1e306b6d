import { execFile, spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { accessSync, constants, existsSync, mkdirSync, renameSync, rmSync } from 'node:fs';
import { mkdir, readdir, rename, rm, stat, symlink } from 'node:fs/promises';
import { homedir, hostname, userInfo } from 'node:os';
import { dirname, isAbsolute, join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { existingPart } from './platform.ts';
import { notWritable } from './set-up-error.ts';

/**
 * The cache folder: EFLOW_CACHE, else `eflow` in the user's cache folder. As the XDG specification asks, a relative
 * XDG_CACHE_HOME counts as none; so does a relative HOME.
 */
export function cacheFolder(env: NodeJS.ProcessEnv = process.env): string {
  if (env.EFLOW_CACHE) return resolve(env.EFLOW_CACHE);
  const absolute = (path: string | undefined) => (path && isAbsolute(path) ? path : undefined);
  const userCache = absolute(env.XDG_CACHE_HOME) ?? join(absolute(homedir()) ?? userInfo().homedir, '.cache');
  return join(userCache, 'eflow');
}

/** Makes the cache folder. Throws a SetUpError that says what to do if it cannot be written. */
export function requireCache(cache: string): void {
  try {
    accessSync(existingPart(cache), constants.W_OK); // mkdir would say "no such file" of a read-only disk
    mkdirSync(cache, { recursive: true });
  } catch (error) {
    throw notWritable(error);
  }
}

const DAY_MS = 24 * 3600 * 1000;
/** A temporary's name, and what a builder may append to it for temporaries of its own. */
const TEMPORARY = /\.tmp-(?<host>[^~]*)~(?<pid>\d+)~[0-9a-f]+(\.[a-z.]+)?$/;

const temporaryName = (target: string) =>
  `${target}.tmp-${hostname()}~${process.pid}~${randomBytes(4).toString('hex')}`;

/**
 * Makes `target`, a file or a folder, appear complete or not at all: `build` fills a temporary name beside it, which
 * is then renamed. Of two processes the first to rename wins. Does nothing if `target` exists.
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

/**
 * Runs `fn` while holding the lock at `path`, a folder that the holder touches every second. `onWait` is called once if
 * another process has it. The lock of a killed process is taken over after 10 seconds. A holder that was suspended for
 * so long loses its lock and goes on beside the next one: every stage is atomic, so that costs time only.
 */
export async function withLock<T>(path: string, onWait: () => void, fn: () => Promise<T>): Promise<T> {
  // Imported here, since it listens to signals from then on: Ctrl-C would no longer end a long synchronous computation.
  const { lock } = (await import('proper-lockfile')).default;
  await mkdir(dirname(path), { recursive: true });
  const options = { lockfilePath: path, realpath: false, stale: 10_000, update: 1000, onCompromised: () => {} };
  const tryLock = () => lock(path, options).catch(ignore('ELOCKED'));
  let release = await tryLock();
  if (!release) onWait();
  while (!release) {
    await sleep(300);
    release = await tryLock();
  }
  try {
    return await fn();
  } finally {
    await release().catch(ignore('ERELEASED')); // lost while suspended
  }
}

const ignore = (code: string) => (error: NodeJS.ErrnoException) => {
  if (error.code !== code) throw error;
};

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
