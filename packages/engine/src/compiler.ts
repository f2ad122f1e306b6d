import { existsSync } from 'node:fs';
import { dirname } from 'node:path';
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

/** The environment for a compiler that writes `output`: its own temporaries go beside it, whatever TMPDIR is. */
export const compilerEnvironment = (output: string): NodeJS.ProcessEnv => ({ ...process.env, TMPDIR: dirname(output) });

/** Arguments that name what is compiled, what it is linked with and what is made. */
export const fileArguments = (sources: readonly string[], objects: readonly string[], output: string): string[] => [
  // The libraries come after the sources: linkers look for a symbol only in what follows.
  ...[...sources, ...objects.map((name) => `-l:${name}`), '-o', output],
];

/** TensorFlow itself, to link with. */
export const tensorFlowObjects = ({ mainObject }: Library): string[] => [mainObject, FRAMEWORK_OBJECT];

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
