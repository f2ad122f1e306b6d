import { existsSync, readdirSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { buildAtomically } from './cache.ts';
import {
  compilerCall,
  hashInputs,
  libraryBytes,
  requireCompiled,
  requireCompiler,
  sharedObjectFlags,
  tensorFlowObjects,
} from './compiler.ts';
import type { Library } from './library.ts';
import { type Progress, trackWhile } from './progress.ts';
import { runProcess } from './run-process.ts';

const require = createRequire(import.meta.url);
const nodeApiHeaders = () => join(dirname(require.resolve('node-api-headers/package.json')), 'include');

/** Node-API version of the addon. */
const NODE_API_VERSION = 8;
const COMPILE_SECONDS = 20; // typical; only the progress bar depends on it

/** tfjs-node's addon, and the small module that loads TensorFlow before it. */
export const ADDON = 'tfjs_binding.node';
export const LIBRARY_LOADER = 'load_library.node';
/** What the compiler is needed for. */
export const ADDON_PURPOSE = 'the addon between Node.js and TensorFlow';
const nativeSource = (name: string) => fileURLToPath(new URL(`../native/${name}`, import.meta.url));
const LIBRARY_LOADER_SOURCE = nativeSource('load-library.cc');
/** Includes tfjs-node's `tfjs_binding.cc`, and adds to it. */
const COMPILED_FUNCTIONS_SOURCE = nativeSource('compiled-functions.cc');

/**
 * The cache folder of the modules for this library; its name is a hash of all that their compilation depends on, so that
 * another library in the same place gets an addon of its own.
 */
export function addonFolder(cache: string, library: Library): string {
  const files = [...bindingFiles(), COMPILED_FUNCTIONS_SOURCE, LIBRARY_LOADER_SOURCE];
  return join(cache, `addon-${hashInputs([...addonFlags(library), libraryBytes(library)], files)}`);
}

/** Compiles the addon and its companion against `library` into `folder`, unless they are there. */
export async function compileAddon(folder: string, library: Library, progress: Progress): Promise<void> {
  const addonSources = [COMPILED_FUNCTIONS_SOURCE, join(bindingFolder(), 'tfjs_backend.cc')];
  await buildAtomically(folder, async (temporary) => {
    requireCompiler(ADDON_PURPOSE);
    await mkdir(temporary);
    const stage = progress.start('Compiling the addon', COMPILE_SECONDS, 's');
    const start = Date.now();
    const seconds = () => Math.min((Date.now() - start) / 1000, COMPILE_SECONDS - 1);
    const output = join(temporary, ADDON);
    const work = compile(library, { sources: addonSources, objects: tensorFlowObjects(library), output });
    await trackWhile(stage, seconds, work);
    await compileLoader(join(temporary, LIBRARY_LOADER), library);
  });
}

/** Compiles the module that loads the library before the addon does. */
export const compileLoader = (output: string, library: Library): Promise<void> =>
  compile(library, { sources: [LIBRARY_LOADER_SOURCE], objects: [], output });

/** The addon's sources of TensorFlow.js' package: beside the built engine, or in the development dependency. */
function bindingFolder(): string {
  const bundled = fileURLToPath(new URL('./binding', import.meta.url));
  if (existsSync(bundled)) return bundled;
  return join(dirname(require.resolve('@tensorflow/tfjs-node-gpu/package.json')), 'binding');
}

const bindingFiles = (): string[] =>
  readdirSync(bindingFolder())
    .sort()
    .map((file) => join(bindingFolder(), file));

const addonFlags = (library: Library): string[] =>
  sharedObjectFlags(library, ['-O2', `-DNAPI_VERSION=${NODE_API_VERSION}`]);

async function compile(library: Library, files: Parameters<typeof compilerCall>[1]): Promise<void> {
  const flags = [...addonFlags(library), `-I${nodeApiHeaders()}`, `-I${bindingFolder()}`];
  requireCompiled(await runProcess(...compilerCall(flags, files)), 'The addon', 12);
}
