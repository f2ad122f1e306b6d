import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { SetUpError } from './set-up-error.ts';
import { type Architecture, type Device, TENSORFLOW_VERSION, type Wheel } from './wheels.ts';

/** A TensorFlow library on disk: what the addon is compiled against and linked to. */
export interface Library {
  /** Folder of the shared objects. */
  readonly libraryFolder: string;
  readonly includeFolder: string;
  /** `libtensorflow_cc.so.2` (of a wheel) or `libtensorflow.so.2` (of the C archive). */
  readonly mainObject: string;
}

const MAIN_OBJECTS = ['libtensorflow_cc.so.2', 'libtensorflow.so.2'];
export const FRAMEWORK_OBJECT = 'libtensorflow_framework.so.2';
const NEEDED_HEADERS = [
  'tensorflow/c/c_api.h',
  'tensorflow/c/eager/c_api.h',
  'tensorflow/core/platform/ctstring_internal.h',
];

/** Where the wheels of this version, device and architecture are kept. */
export const wheelLibraryFolder = (cache: string, device: Device, architecture: Architecture): string =>
  join(cache, `tensorflow-${TENSORFLOW_VERSION}-${device}-linux-${architecture}`);

/** Whether every wheel has brought its folder. */
export const hasAllFolders = (folder: string, wheels: readonly Wheel[]): boolean =>
  wheels.length > 0 && wheels.every((wheel) => existsSync(join(folder, wheel.folder)));

/**
 * The library in `folder`: shared objects in it, in `lib/` or in `tensorflow/`, headers in `include/` beside or within.
 * Throws a SetUpError that names what is missing.
 */
export function inspectLibrary(folder: string): Library {
  const root = resolve(folder);
  if (!existsSync(root)) throw lacks(root, `it does not exist`);
  const libraryFolder = [root, join(root, 'lib'), join(root, 'tensorflow')].find((candidate) =>
    MAIN_OBJECTS.some((object) => existsSync(join(candidate, object))),
  );
  if (!libraryFolder) throw lacks(root, `it has no ${MAIN_OBJECTS.join(' or ')}`);
  const mainObject = MAIN_OBJECTS.find((object) => existsSync(join(libraryFolder, object)))!;
  if (!existsSync(join(libraryFolder, FRAMEWORK_OBJECT))) throw lacks(libraryFolder, `it has no ${FRAMEWORK_OBJECT}`);
  const includeFolder = [join(libraryFolder, 'include'), join(root, 'include')].find(existsSync);
  if (!includeFolder) throw lacks(root, 'it has no include folder');
  const missing = NEEDED_HEADERS.find((header) => !existsSync(join(includeFolder, header)));
  if (missing) throw lacks(includeFolder, `it has no ${missing}`);
  return { libraryFolder, includeFolder, mainObject };
}

const lacks = (folder: string, what: string) =>
  new SetUpError(
    `${folder} is no TensorFlow library: ${what}.`,
    `Give a folder with ${MAIN_OBJECTS.join(' or ')}, ${FRAMEWORK_OBJECT} and include/. If the set-up has fetched it itself, run: npx @eflow/engine setup --force`,
  );
