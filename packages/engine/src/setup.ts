import { existsSync, realpathSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { ADDON_PURPOSE, addonFolder, compileAddon } from './addon.ts';
import { archiveLibraryFolder, installArchive } from './archive-library.ts';
import {
  cacheFolder,
  linkAtomically,
  removeAtomically,
  removeDeadTemporaries,
  requireCache,
  withLock,
} from './cache.ts';
import { requireCompiler } from './compiler.ts';
import { hasAllFolders, inspectLibrary, type Library, wheelLibraryFolder } from './library.ts';
import { requireMachine } from './platform.ts';
import { createProgress, type Progress } from './progress.ts';
import { explainDiskErrors, SetUpError } from './set-up-error.ts';
import { installWheels, tidyWheels } from './wheel-library.ts';
import { type Architecture, type Device, WHEELS, type Wheel } from './wheels.ts';

export interface SetUpOptions {
  /** TensorFlow with CUDA, about 3.4 GB to download, instead of the one for CPUs. */
  readonly cuda?: boolean;
  /** Folder of a library to use as it is; default EFLOW_TENSORFLOW. */
  readonly library?: string;
  /** Fetch and compile again even if the cache has everything. */
  readonly force?: boolean;
  readonly progress?: Progress;
}

/** Folders of the TensorFlow library and of the addon compiled for it. */
export interface Engine {
  readonly library: string;
  readonly addon: string;
}

/** What a set-up is made of; tests give small stand-ins. */
interface SetUpParts {
  /** What to fetch; default the pinned wheels of this machine. */
  readonly wheels?: readonly Wheel[];
}

/**
 * Sets TensorFlow's library and the addon up: finds or fetches the library, compiles the addon. Whatever is
 * there is not done again. May be killed at any moment, and run twice at once. Throws a SetUpError with the way out.
 */
export async function setUpEngine(options: SetUpOptions = {}, parts: SetUpParts = {}): Promise<Engine> {
  const architecture = requireMachine();
  const cache = cacheFolder();
  const progress = options.progress ?? createProgress();
  const lock = join(cache, 'set-up.lock');
  const onWait = () => progress.say(`Waiting for another set-up, which holds ${lock}.`);
  requireCache(cache);
  return explainDiskErrors(() =>
    withLock(lock, onWait, async () => {
      await removeDeadTemporaries(cache);
      const device = options.cuda ? 'cuda' : 'cpu';
      const wheels = parts.wheels ?? WHEELS[`${device}-${architecture}`];
      const folder = await obtainLibrary({ cache, device, architecture, wheels, progress, ...options });
      const library = inspectLibrary(folder);
      const addon = addonFolder(cache, library);
      if (options.force) await removeAtomically(addon);
      await compileAddon(addon, library, progress);
      await linkAtomically(folder, selectedLibrary(cache));
      return { library: library.libraryFolder, addon };
    }),
  );
}

/** Sets TensorFlow up if that was not done yet, as commands do before they compute; standard error says what it takes. */
export async function setUpIfNeeded(): Promise<void> {
  if (!findEngine()) await setUpEngine();
}

interface Request extends SetUpOptions {
  readonly cache: string;
  readonly device: Device;
  readonly architecture: Architecture;
  readonly wheels: readonly Wheel[];
  readonly progress: Progress;
}

/** The three ways to a library, in order: the user's own, the pinned wheels, TensorFlow's own archive. */
async function obtainLibrary(request: Request): Promise<string> {
  const { cache, device, architecture, wheels, progress, force } = request;
  const own = request.library || process.env.EFLOW_TENSORFLOW;
  if (own) return resolve(own);
  if (wheels.length === 0) {
    throw new SetUpError(
      `TensorFlow is published without CUDA for ${architecture}.`,
      'Leave --cuda out, or give a library with --library.',
    );
  }
  const fromWheels = wheelLibraryFolder(cache, device, architecture);
  const fromArchive = archiveLibraryFolder(cache, device);
  if (force) await Promise.all([fromWheels, fromArchive].map(removeAtomically));
  await tidyWheels(fromWheels, wheels);
  if (hasAllFolders(fromWheels, wheels)) return fromWheels;
  if (existsSync(fromArchive)) return fromArchive;
  requireCompiler(ADDON_PURPOSE); // before a long download
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

/** The library of EFLOW_TENSORFLOW, else the last one set up; undefined if there is none. */
export function findLibrary(env: NodeJS.ProcessEnv = process.env): Library | undefined {
  const own = env.EFLOW_TENSORFLOW;
  const folder = own ? resolve(own) : selectedLibrary(cacheFolder(env));
  if (!existsSync(folder)) return undefined;
  return inspectLibrary(own ? folder : realpathSync(folder));
}

/** What a set-up has left in the cache for that library. Undefined if there is none, or if the addon's sources have changed since. */
export function findEngine(env: NodeJS.ProcessEnv = process.env): Engine | undefined {
  const library = findLibrary(env);
  if (!library) return undefined;
  const addon = addonFolder(cacheFolder(env), library);
  return existsSync(addon) ? { library: library.libraryFolder, addon } : undefined;
}
