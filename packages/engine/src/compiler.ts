import { createHash } from 'node:crypto';
import { existsSync, readFileSync, statSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { FRAMEWORK_OBJECT, type Library } from './library.ts';
import { lastLines, type ProcessResult, runProcessSync } from './run-process.ts';
import { diskFull, SetUpError } from './set-up-error.ts';

/** The C++ compiler, CXX or else c++, and arguments of its own: CXX may be `ccache g++`. */
export function compilerCommand(env: NodeJS.ProcessEnv = process.env): [command: string, ...args: string[]] {
  const given = env.CXX?.trim() || 'c++';
  return existsSync(given) ? [given] : (given.split(/\s+/) as [string, ...string[]]);
}

/** Throws a SetUpError unless the C++ compiler runs; `purpose` says what for. */
export function requireCompiler(purpose: string): void {
  const [compiler, ...own] = compilerCommand();
  const { code, output } = runProcessSync(compiler, [...own, '--version']);
  if (code === 0) return;
  throw new SetUpError(
    code === undefined
      ? `The C++ compiler ${compiler} was not found; it compiles ${purpose}.`
      : `The C++ compiler ${compiler}, which compiles ${purpose}, does not work:\n${lastLines(output)}`,
    'Install one (Debian and Ubuntu: apt-get install g++; Fedora: dnf install gcc-c++), or name yours in CXX.',
  );
}

/**
 * Arguments for a shared object that includes the library's headers and finds its objects at run time: by a run path of
 * the old kind, which comes before LD_LIBRARY_PATH, where another TensorFlow may lie.
 */
export const sharedObjectFlags = ({ libraryFolder, includeFolder }: Library, flags: readonly string[]): string[] => [
  ...['-std=c++17', '-fPIC', '-shared', ...flags],
  ...[`-I${includeFolder}`, `-L${libraryFolder}`, `-Wl,-rpath,${libraryFolder}`, '-Wl,--disable-new-dtags'],
];

/** The compiler's command, arguments and environment that make `output` of sources, linked with shared objects. */
export function compilerCall(
  flags: readonly string[],
  { sources, objects, output }: { sources: readonly string[]; objects: readonly string[]; output: string },
): [command: string, args: string[], env: NodeJS.ProcessEnv] {
  const [compiler, ...own] = compilerCommand();
  // The libraries come after the sources: linkers look for a symbol only in what follows.
  const files = [...sources, ...objects.map((name) => `-l:${name}`), '-o', output];
  // The compiler's own temporaries go beside what it makes, whatever TMPDIR is.
  return [compiler, [...own, ...flags, ...files], { ...process.env, TMPDIR: dirname(output) }];
}

/** TensorFlow itself, to link with. */
export const tensorFlowObjects = ({ mainObject }: Library): string[] => [mainObject, FRAMEWORK_OBJECT];

/** The size of the library, by which another one in the same place is known. */
export const libraryBytes = ({ libraryFolder, mainObject }: Library): number =>
  statSync(join(libraryFolder, mainObject)).size;

/** A hash, for a name in the cache, of words and files on which a compilation depends. */
export function hashInputs(words: readonly (string | number)[], files: readonly string[]): string {
  const hash = createHash('sha256').update(words.join('\0'));
  for (const file of files) hash.update(`\0${basename(file)}\0`).update(readFileSync(file));
  return hash.digest('hex').slice(0, 16);
}

/** Throws a SetUpError, which quotes the compiler from its first error on, unless it ended well. */
export function requireCompiled({ code, output }: ProcessResult, what: string, quotedLines: number): void {
  if (code === 0) return;
  if (/no space left on device/i.test(output)) throw diskFull();
  throw new SetUpError(
    `${what} did not compile with ${compilerCommand().join(' ')}:\n${quoteErrors(output, quotedLines)}`,
    'Use GCC 9 or Clang 9 or later (name it in CXX), and a complete library.',
  );
}

function quoteErrors(output: string, count: number): string {
  const lines = output.trim().split('\n');
  const first = lines.findIndex((line) => /\berror\b/i.test(line));
  const quoted = first === -1 ? lines : lines.slice(first, first + count);
  return lastLines(quoted.join('\n'), count);
}
