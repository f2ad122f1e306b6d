import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { script, startProcess } from '../fixtures/tiny-world.ts';
import { cacheFolder } from './cache.ts';
import { compileNative, listNativeLibraries } from './native-library.ts';
import { findEngine } from './setup.ts';

type Environment = Record<string, string>;

let folder: string;
let cache: string;
let sources: { name: string; folder: string };
const source = (file: string, text: string) => writeFileSync(join(folder, 'native', file), text);

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'eflow-package-'));
  sources = { name: '@tiny/package', folder: pathToFileURL(join(folder, 'native/')).href };
  writeFileSync(join(folder, 'package.json'), JSON.stringify({ name: sources.name }));
  mkdirSync(join(folder, 'native'));
  source('one.h', '#define ONE 1\n');
  source('one.cc', '#include "one.h"\nint one() { return ONE; }\n');
  source('two.cc', 'int two() { return 2; }\n');
  // A cache of its own, with the engine of the real one.
  cache = join(folder, 'cache');
  mkdirSync(cache);
  symlinkSync(realpathSync(join(cacheFolder(), 'library')), join(cache, 'library'));
  const { addon } = findEngine()!;
  symlinkSync(addon, join(cache, addon.split('/').at(-1)!));
  vi.stubEnv('EFLOW_CACHE', cache);
  vi.stubEnv('EFLOW_TENSORFLOW', '');
});
afterEach(() => {
  vi.unstubAllEnvs();
  rmSync(folder, { recursive: true, force: true });
});

/** A compiler that makes files with this content, and halfway does `then`. */
function compiler(content: string, then = ':'): string {
  const path = join(folder, `c++-${content}`);
  script(
    path,
    `case " $* " in *" --version "*) exit 0;; esac
    while [ "$1" != -o ]; do shift; done; printf half > "$2"; ${then}; printf ${content} > "$2"`,
  );
  return path;
}

const folders = () => readdirSync(cache).filter((name) => name.startsWith('native-'));

describe('a library', () => {
  beforeEach(() => vi.stubEnv('CXX', compiler('complete')));

  it('is compiled once for the same sources, and anew for others', () => {
    const first = compileNative(sources);
    expect(first).toMatch(/\/native-tiny-package-[0-9a-f]{16}\/lib\.so$/);
    expect(compileNative(sources)).toBe(first);
    const changes: (() => void)[] = [
      () => source('one.cc', '#include "one.h"\nint one() { return -ONE; }\n'),
      () => source('one.h', '#define ONE 11\n'),
      () => source('three.cc', 'int three() { return 3; }\n'),
      () => vi.stubEnv('EFLOW_NATIVE_FLAGS', '-g -DTWO=2'),
      () => vi.stubEnv('CXX', compiler('another')),
    ];
    const all = [first];
    for (const change of changes) {
      change();
      all.push(compileNative(sources));
    }
    expect(new Set(all).size).toBe(6);
    expect(all.map((path) => readFileSync(path, 'utf8'))).toEqual([...Array(5).fill('complete'), 'another']);
    source('notes.md', 'no source');
    expect(compileNative(sources)).toBe(all.at(-1));
    expect(listNativeLibraries(cache)).toEqual(['tiny-package']);
  });

  it('needs no TMPDIR, and takes a compiler with arguments', () => {
    vi.stubEnv('TMPDIR', '/missing');
    vi.stubEnv('CXX', `${compiler('$TMPDIR')} -m64`);
    const made = compileNative(sources);
    expect(readFileSync(made, 'utf8').startsWith(cache)).toBe(true);
  });

  it('says so where the cache cannot be written', () => {
    vi.stubEnv('EFLOW_TENSORFLOW', realpathSync(join(cache, 'library')));
    vi.stubEnv('EFLOW_CACHE', '/dev/null/cache');
    expect(() => compileNative(sources)).toThrow(/The cache folder cannot be written: .*\n.*EFLOW_CACHE/);
  });

  it('is for this CPU, and so not found on another, unless the flags name an architecture', () => {
    const another = new Set(['sse2']);
    expect(compileNative(sources, another)).not.toBe(compileNative(sources));
    vi.stubEnv('EFLOW_NATIVE_FLAGS', '-march=x86-64-v2');
    expect(compileNative(sources, another)).toBe(compileNative(sources));
  });
});

describe('eflow-engine setup --native', () => {
  const setUp = (options: string[], env: Environment = {}) =>
    startProcess('src/cli.ts', ['setup', '--if-needed', ...options], { ...(process.env as Environment), ...env });

  it('compiles what the package will ask for; two at once do no harm', async () => {
    const outcomes = await Promise.all([setUp(['--native', folder]).done, setUp(['--native', folder]).done]);
    for (const { code, output } of outcomes) {
      expect(output).toMatch(/^(Compiling the native kernels of @tiny\/package, once: about 20 s\.\n)?$/);
      expect(code).toBe(0);
    }
    expect(folders().map((name) => join(cache, name, 'lib.so'))).toEqual([compileNative(sources)]);
    expect(await setUp(['--native', folder], { CXX: '' }).done).toEqual({ code: 0, output: '' });
  });

  it('killed leaves nothing half done, and the next one tidies up', async () => {
    const killed = await setUp(['--native', folder], { CXX: compiler('some', 'kill -9 $PPID; exit 1') }).done;
    expect(killed.code).toBe(null);
    expect(folders().filter((name) => !name.includes('.tmp-'))).toEqual([]);
    expect(folders()).toHaveLength(1);
    expect(await setUp(['--native', folder], { CXX: compiler('all') }).done).toMatchObject({ code: 0 });
    expect(folders().map((name) => readFileSync(join(cache, name, 'lib.so'), 'utf8'))).toEqual(['all']);
  });

  it('goes on where native kernels are not needed, and says so in one line', async () => {
    const { code, output } = await setUp(['--native', folder], { CXX: '/nonexistent' }).done;
    expect(output).toMatch(
      /^Going on without the native kernels of \S+: The C\+\+ compiler \/nonexistent was not found.*\n$/,
    );
    expect(code).toBe(0);
    expect(await setUp(['--native', folder], { CXX: '/nonexistent', EFLOW_NATIVE: '0' }).done).toEqual({
      code: 0,
      output: '',
    });
  });
});
