import { execFileSync } from 'node:child_process';
import { appendFileSync, existsSync, mkdirSync, readFileSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import {
  CONTENT,
  createWorld,
  listAll,
  MEMBERS,
  script,
  setUpTiny,
  setUpTinyHere,
  type World,
} from '../fixtures/tiny-world.ts';

let world: World;
beforeEach(async () => {
  world = await createWorld();
});
afterEach(() => rmSync(world.folder, { recursive: true, force: true }));

const run = (changes: Parameters<typeof setUpTiny>[1] = {}) => setUpTinyHere(world, changes);
const runProcess = (changes: Parameters<typeof setUpTiny>[1] = {}) => setUpTiny(world, changes).done;
const calls = () =>
  existsSync(join(world.folder, 'calls')) ? readFileSync(join(world.folder, 'calls'), 'utf8').split('\n') : [];
const libraryFolder = () => join(world.cache, 'tensorflow-2.21.0-cpu-linux-x64', 'tensorflow');
const leftovers = () => listAll(world.cache).filter((name) => /\.tmp-|\.whl|\.lock/.test(name));

/** The promise of atomicity: what has its final name is complete. */
function expectNothingHalfDone(): void {
  for (const { name, bytes } of existsSync(libraryFolder()) ? MEMBERS.filter(({ taken }) => taken) : []) {
    expect(readFileSync(join(libraryFolder(), '..', name)).equals(CONTENT(bytes)), name).toBe(true);
  }
  const addons = existsSync(world.cache)
    ? listAll(world.cache).filter((name) => /^addon-\w+\/[^/]+\.node$/.test(name))
    : [];
  for (const addon of addons) expect(readFileSync(join(world.cache, addon), 'utf8'), addon).toBe('complete');
}

describe('a set-up', () => {
  it('takes the members needed from the wheel, compiles the addon, and leaves nothing else', async () => {
    expect(await runProcess()).toMatchObject({ code: 0 });
    expectNothingHalfDone();
    expect(MEMBERS.filter(({ name }) => existsSync(join(libraryFolder(), '..', name)))).toEqual(
      MEMBERS.filter(({ taken }) => taken),
    );
    expect(listAll(world.cache).filter((name) => name.endsWith('tfjs_binding.node'))).toHaveLength(1);
    expect(leftovers()).toEqual([]);
  });

  it('does nothing twice', async () => {
    await run();
    const before = calls();
    expect(await run({ env: { CXX: '/missing' } })).toMatchObject({ code: 0 }); // no compiler needed any more
    expect(calls()).toEqual(before);
  });

  it('downloads and compiles once when two run at once', async () => {
    const outcomes = await Promise.all([runProcess(), runProcess(), runProcess()]);
    expect(outcomes.map(({ code }) => code)).toEqual([0, 0, 0]);
    expect(calls().filter((call) => call === 'download')).toHaveLength(1);
    expect(leftovers()).toEqual([]);
  });

  it('killed before any change to the disk leaves nothing half done, and the next run finishes and tidies up', async () => {
    const lock = join(world.cache, 'set-up.lock');
    let changes = 0;
    for (let isKilled = true; isKilled; changes++) {
      rmSync(world.cache, { recursive: true, force: true });
      const { code } = await runProcess({ env: { KILL_AT: String(changes + 1) } });
      isKilled = code === null;
      expectNothingHalfDone();
      const longAgo = new Date(Date.now() - 3600_000);
      if (existsSync(lock)) utimesSync(lock, longAgo, longAgo); // the next run need not wait for it
      expect(await run(), `after a kill before change ${changes + 1}`).toMatchObject({ code: 0 });
      expectNothingHalfDone();
      expect(leftovers(), `after a kill before change ${changes + 1}`).toEqual([]);
    }
    expect(changes).toBeGreaterThan(15);
  });

  it('killed while pip downloads or the compiler runs leaves nothing half done either', async () => {
    for (const tool of ['python3', 'c++']) {
      rmSync(world.cache, { recursive: true, force: true });
      const path = join(world.folder, 'bin', tool);
      const original = readFileSync(path, 'utf8');
      // Kills the set-up where the tool has made half of its file.
      script(path, original.replace('sleep 0.1', 'kill -9 $PPID; exit 1').replace('#!/bin/sh', ''));
      expect((await runProcess()).code).toBe(null);
      writeFileSync(path, original);
      expectNothingHalfDone();
      const longAgo = new Date(Date.now() - 3600_000);
      utimesSync(join(world.cache, 'set-up.lock'), longAgo, longAgo);
      expect(await run()).toMatchObject({ code: 0 });
      expectNothingHalfDone();
      expect(leftovers()).toEqual([]);
    }
  });
});

describe('a set-up that cannot work says what is wrong and the way out', () => {
  it.each([
    [
      'no compiler',
      { env: { CXX: '/missing/c++' } },
      /compiler \/missing\/c\+\+ was not found.*apt-get install g\+\+/s,
    ],
    ['too little disk', { facts: { unpackedBytes: 1e18 } }, /needs 1000000000\.0 GB on the disk.*EFLOW_CACHE/s],
    ['an unusable cache', { env: { EFLOW_CACHE: '/dev/null/cache' } }, /cannot be written.*EFLOW_CACHE/s],
    ['a cache where nobody may write', { env: { EFLOW_CACHE: '/sys/cache' } }, /cannot be written.*EFLOW_CACHE/s],
    [
      'a compiler that does not work',
      { env: { CXX: 'false' } },
      /compiler false, which compiles the addon.* does not work:.*apt-get install g\+\+/s,
    ],
    [
      'an empty library',
      { env: { EFLOW_TENSORFLOW: '/usr/share' } },
      /\/usr\/share is no TensorFlow library: it has no lib/,
    ],
    [
      'a missing library',
      { env: { EFLOW_TENSORFLOW: '/missing' } },
      /\/missing is no TensorFlow library: it does not exist/,
    ],
  ])('%s', async (_, changes, message) => {
    const { code, output } = await run(changes);
    expect(output).toMatch(message);
    expect(output).not.toMatch(/^\s+at /m); // no stack
    expect(code).toBe(1);
    expect(calls()).toEqual([]); // found out before anything was fetched
  });

  it('no pip, and no archive either', async () => {
    const { code, output } = await run({ env: { PATH: '/missing', CXX: join(world.folder, 'bin', 'c++') } });
    expect(output).toMatch(/Neither python3 -m pip nor pip was found.*missing\.tar\.gz could not be downloaded/s);
    expect(output).toMatch(/apt-get install python3-pip/);
    expect(code).toBe(1);
  });

  it('a Python that cannot start: quoted, and the variable that may be to blame is named', async () => {
    const fails = 'echo first line; echo "Fatal Python error: no encodings"; echo "  <no Python frame>"; exit 1';
    for (const name of ['python3', 'python', 'pip3', 'pip']) script(join(world.folder, 'bin', name), fails);
    const { code, output } = await run({ env: { PYTHONHOME: '/missing' } });
    expect(output).toMatch(/python3 -m pip, .* does not work:\n {4}Fatal Python error: no encodings\n/);
    expect(output).toMatch(/^Unset PYTHONHOME, which Python obeys, or install/m);
    expect(code).toBe(1);
  });

  it('no network: pip is quoted', async () => {
    const refuse =
      'case " $* " in *" --version "*) exit 0;; esac; echo "ERROR: Connection refused by the index" >&2; exit 1';
    script(join(world.folder, 'bin', 'python3'), refuse);
    const { code, output } = await run({ env: { PIP_INDEX_URL: 'http://127.0.0.1' } });
    expect(output).toMatch(/pip could not download tensorflow-cpu 2\.21\.0:\n {4}ERROR: Connection refused/);
    expect(output).toMatch(/Check the network and what pip is set up with \(pip config list, PIP_INDEX_URL\)/);
    expect(code).toBe(1);
  });

  it('a full disk while pip downloads', async () => {
    script(
      join(world.folder, 'bin', 'python3'),
      'case " $* " in *" --version "*) exit 0;; esac; echo "OSError: [Errno 28] No space left on device"; exit 1',
    );
    const { code, output } = await run();
    expect(output).toMatch(/disk that holds the cache is full.*it resumes/s);
    expect(code).toBe(1);
  });

  it('a wheel that was tampered with: deleted, never unpacked, both hashes named', async () => {
    appendFileSync(join(world.folder, 'tiny.whl'), 'x');
    const { code, output } = await run();
    expect(output).toMatch(new RegExp(`SHA-256 is [0-9a-f]{64}, expected ${world.facts.sha256}`));
    expect(code).toBe(1);
    expect(leftovers()).toEqual([]);
    expect(existsSync(libraryFolder())).toBe(false);
  });

  it('a compiler that fails: quoted, nothing cached', async () => {
    script(
      join(world.folder, 'bin', 'c++'),
      'case " $* " in *" --version "*) exit 0;; esac; echo "fatal error: no such header"; exit 1',
    );
    const { code, output } = await run();
    expect(output).toMatch(/did not compile with c\+\+:\n {4}fatal error: no such header/);
    expect(code).toBe(1);
    expect(listAll(world.cache).filter((name) => name.startsWith('addon-'))).toEqual([]);
  });
});

describe("TensorFlow's own archive, where pip fails", () => {
  const archive = () => {
    const root = join(world.folder, 'archive');
    for (const folder of ['lib', 'include/tensorflow/c/eager', 'include/tensorflow/core/platform'])
      mkdirSync(join(root, folder), { recursive: true });
    const files = [
      'lib/libtensorflow.so.2',
      'lib/libtensorflow_framework.so.2',
      'include/tensorflow/c/c_api.h',
      'include/tensorflow/c/eager/c_api.h',
      'include/tensorflow/core/platform/ctstring_internal.h',
    ];
    for (const file of files) appendFileSync(join(root, file), 'tiny');
    const tarball = join(world.folder, 'libtensorflow.tar.gz');
    execFileSync('tar', ['-czf', tarball, '-C', root, '.']);
    return tarball;
  };

  beforeEach(() =>
    script(join(world.folder, 'bin', 'python3'), 'case " $* " in *" --version "*) exit 0;; esac; exit 1'),
  );

  it('is taken from a file', async () => {
    const outcome = await run({ env: { EFLOW_TENSORFLOW_ARCHIVE: `file://${archive()}` } });
    expect(outcome).toMatchObject({ code: 0 });
    expect(outcome.output).toMatch(/libtensorflow-.*\/lib\n$/);
    expect(leftovers()).toEqual([]);
  });

  it('is taken over http, and an error of the server is named', async () => {
    const tarball = readFileSync(archive());
    const server = createServer((request, response) => {
      if (request.url === '/libtensorflow.tar.gz') response.end(tarball);
      else response.writeHead(404, 'Not Found').end();
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    try {
      const missing = await run({ env: { EFLOW_TENSORFLOW_ARCHIVE: `${url}/other` } });
      expect(missing.output).toMatch(/other could not be downloaded: the server answered 404 Not Found/);
      expect(missing.code).toBe(1);
      expect(await run({ env: { EFLOW_TENSORFLOW_ARCHIVE: `${url}/libtensorflow.tar.gz` } })).toMatchObject({
        code: 0,
      });
    } finally {
      server.close();
    }
  });
});
