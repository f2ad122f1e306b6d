import { existsSync, mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import type { NativeSources } from '@eflow/tensor';
import { cpuFlags } from './bfloat16.ts';
import { buildAtomicallySync, cacheFolder, removeDeadTemporaries, requireCache } from './cache.ts';
import {
  compilerCall,
  compilerCommand,
  hashInputs,
  libraryBytes,
  requireCompiled,
  requireCompiler,
  sharedObjectFlags,
  tensorFlowObjects,
} from './compiler.ts';
import { runProcessSync } from './run-process.ts';
import { SetUpError } from './set-up-error.ts';
import { findLibrary } from './setup.ts';

/** For this very CPU; exact where numbers are not finite. Hidden symbols keep the libraries of two packages apart. */
const FLAGS = ['-O3', '-march=native', '-fno-math-errno', '-fno-trapping-math', '-fvisibility=hidden'];
/** What the sources may include beside TensorFlow's and Eigen's headers: `eflow/op.h`, `eflow/pool.h`, `eflow/vector.h`, ... */
const HEADERS = fileURLToPath(new URL('../native/', import.meta.url));
const LIBRARY = 'lib.so';
const FOLDER_NAME = /^native-(?<name>.+)-[0-9a-f]{16}$/;

/**
 * The path of the library compiled from a package's sources; compiles it unless the cache has it, which takes some
 * seconds and is said on standard error. May be killed, and run twice at once. Throws a SetUpError with the way out.
 * `cpu` is a parameter so that other machines can be asked about.
 */
export function compileNative(sources: NativeSources, cpu = cpuFlags()): string {
  const library = findLibrary();
  if (!library) throw new SetUpError('TensorFlow is not set up for this user.', 'Run: npx @eflow/engine setup');
  const folder = fileURLToPath(sources.folder);
  const files = existsSync(folder) ? readdirSync(folder).filter((file) => /\.(cc|h)$/.test(file)) : [];
  const paths = files.sort().map((file) => join(folder, file));
  const toCompile = paths.filter((path) => path.endsWith('.cc'));
  if (toCompile.length === 0) {
    throw new SetUpError(`${folder} has no C++ sources (*.cc).`, 'Give the folder of a package with native sources.');
  }
  const headers = readdirSync(join(HEADERS, 'eflow')).sort().map((file) => join(HEADERS, 'eflow', file)); // biome-ignore format: one line
  const own = (process.env.EFLOW_NATIVE_FLAGS ?? '').split(/\s+/).filter(Boolean);
  const flags = sharedObjectFlags(library, [...FLAGS, `-I${HEADERS}`, ...own]);
  const isForThisCpu = flags.findLast((flag) => flag.startsWith('-march=')) === '-march=native';
  const facts = [libraryBytes(library), ...(isForThisCpu ? [...cpu].sort() : [])];
  const hash = hashInputs([...compilerCommand(), ...flags, ...facts], [...headers, ...paths]);
  const cache = cacheFolder();
  const target = join(cache, `native-${slugOf(sources.name)}-${hash}`);
  if (!existsSync(target)) requireCache(cache);
  buildAtomicallySync(target, (temporary) => {
    const what = `the native kernels of ${sources.name}`;
    requireCompiler(what);
    mkdirSync(temporary);
    process.stderr.write(`Compiling ${what}, once: about 20 s.\n`);
    const output = join(temporary, LIBRARY);
    const call = compilerCall(flags, { sources: toCompile, objects: tensorFlowObjects(library), output });
    requireCompiled(runProcessSync(...call), `The native code of ${sources.name}`, 1);
  });
  return join(target, LIBRARY);
}

/** Compiles the native sources of the package in this folder ahead of time, as it will ask for them itself. */
export async function prepareNative(packageFolder: string): Promise<string> {
  const manifest = join(packageFolder, 'package.json');
  if (!existsSync(manifest)) {
    throw new SetUpError(`${packageFolder} is no package: it has no package.json.`, 'Give the folder of a package.');
  }
  const { name } = JSON.parse(readFileSync(manifest, 'utf8')) as { name: string };
  await removeDeadTemporaries(cacheFolder());
  return compileNative({ name, folder: pathToFileURL(`${resolve(packageFolder)}/native/`).href });
}

/** Names of the packages of which the cache has a library, whether or not for their present sources. */
export const listNativeLibraries = (cache: string): string[] => {
  const names = existsSync(cache) ? readdirSync(cache) : [];
  return [...new Set(names.flatMap((name) => FOLDER_NAME.exec(name)?.groups?.name ?? []))].sort();
};

/** @eflow/attention -> eflow-attention */
const slugOf = (name: string): string =>
  name
    .replace(/[^a-z0-9]+/gi, ' ')
    .trim()
    .replaceAll(' ', '-');
