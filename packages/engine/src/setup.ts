import { existsSync, realpathSync } from 'node:fs';
import { mkdir, rename, rm, symlink } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { ADDON, addonFolder, compileAddon, placeAddon, requireCompiler } from './addon.ts';
import { archiveLibraryFolder, installArchive } from './archive-library.ts';
import { cacheFolder, removeAtomically, removeDeadTemporaries, withLock } from './cache.ts';
import { hasAllFolders, inspectLibrary, wheelLibraryFolder } from './library.ts';
import { requireMachine } from './platform.ts';
import { createProgress, type Progress } from './progress.ts';
import { explainFullDisk, SetUpError } from './set-up-error.ts';
import { installWheels } from './wheel-library.ts';
import { type Architecture, type Device, WHEELS, type Wheel } from './wheels.ts';

export interface SetUpOptions {
  /** TensorFlow with CUDA, about 3.4 GB to download, instead of the one for CPUs. */
  readonly cuda?: boolean;
  /** Folder of a library to use as it is; default EFLOW_TENSORFLOW. */
  readonly library?: string;
  /** Fetch and compile again even if the cache has everything. */
  readonly force?: boolean;
  readonly progress?: Progress;
  /** What to fetch; default the pinned wheels of this machine. */
  readonly wheels?: readonly Wheel[];
}

/**
 * Sets TensorFlow's library and the addon up: finds or fetches the library, compiles the addon, places it. Whatever is
 * there is not done again. May be killed at any moment, and run twice at once. Throws a SetUpError with the way out.
 */
export async function setUpEngine(options: SetUpOptions = {}): Promise<{ library: string; addon: string }> {
  const architecture = requireMachine();
  const progress = options.progress ?? createProgress();
  const cache = cacheFolder();
  await requireCompiler();
  const onWait = (holder: string) => progress.say(`Waiting for another set-up (${holder}).`);
  return withLock(join(cache, 'setup.lock'), onWait, () =>
    explainFullDisk(async () => {
      await removeDeadTemporaries(cache);
      const folder = await obtainLibrary(cache, architecture, { ...options, progress });
      const library = inspectLibrary(folder);
      const addon = addonFolder(cache, library);
      if (options.force) await removeAtomically(addon);
      await compileAddon(addon, library, progress);
      await selectLibrary(cache, folder);
      await placeAddon(join(addon, ADDON));
      return { library: library.libraryFolder, addon };
    }),
  );
}

/** The three ways to a library, in order: the user's own, the pinned wheels, TensorFlow's own archive. */
async function obtainLibrary(
  cache: string,
  architecture: Architecture,
  options: SetUpOptions & { progress: Progress },
): Promise<string> {
  const { progress, force } = options;
  const own = options.library ?? process.env.EFLOW_TENSORFLOW;
  if (own) return resolve(own);
  const device: Device = options.cuda ? 'cuda' : 'cpu';
  const wheels = options.wheels ?? WHEELS[`${device}-${architecture}`];
  if (wheels.length === 0) {
    throw new SetUpError(
      `TensorFlow is published without CUDA for ${architecture}.`,
      'Leave --cuda out, or give a library with --library.',
    );
  }
  const fromWheels = wheelLibraryFolder(cache, device, architecture);
  const fromArchive = archiveLibraryFolder(cache, device);
  if (force) await Promise.all([fromWheels, fromArchive].map(removeAtomically));
  if (hasAllFolders(fromWheels, wheels)) return fromWheels;
  if (existsSync(fromArchive)) return fromArchive;
  try {
    await installWheels(fromWheels, wheels, { architecture, progress });
    return fromWheels;
  } catch (error) {
    if (!(error instanceof SetUpError && error.unavailable)) throw error;
    progress.say(`${error.what}\nTrying TensorFlow's own archive instead.`);
    await installArchive(fromArchive, { device, architecture, progress }).catch((second) => {
      if (!(second instanceof SetUpError && second.unavailable)) throw second;
      throw new SetUpError(`${error.what}\n${second.what}`, error.wayOut);
    });
    return fromArchive;
  }
}

/** The link by which later runs know the library: the last one set up. */
const selectedLibrary = (cache: string): string => join(cache, 'library');

async function selectLibrary(cache: string, folder: string): Promise<void> {
  const temporary = join(cache, `library.tmp-${process.pid}`);
  await mkdir(cache, { recursive: true });
  await rm(temporary, { force: true });
  await symlink(folder, temporary);
  await rename(temporary, selectedLibrary(cache));
}

/**
 * The folders of the library and the addon that a set-up has left in the cache: the one of EFLOW_TENSORFLOW, else the last one set up.
 * Undefined if there is none, or if the addon's sources have changed since.
 */
export function findEngine(env = process.env): { library: string; addon: string } | undefined {
  const cache = cacheFolder(env);
  const selected = env.EFLOW_TENSORFLOW ? resolve(env.EFLOW_TENSORFLOW) : selectedLibrary(cache);
  if (!existsSync(selected)) return undefined;
  const folder = env.EFLOW_TENSORFLOW ? selected : realpathSync(selected);
  const library = inspectLibrary(folder);
  const addon = addonFolder(cache, library);
  return existsSync(addon) ? { library: library.libraryFolder, addon } : undefined;
}
