import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { hostname, tmpdir, userInfo } from 'node:os';
import { join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { startProcess } from '../fixtures/tiny-world.ts';
import { buildAtomically, cacheFolder, linkAtomically, removeDeadTemporaries, withLock } from './cache.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'eflow-cache-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

/** A process that has ended. */
const deadPid = () => spawnSync('true').pid;

it('finds the cache folder: EFLOW_CACHE, else the cache folder of the user', () => {
  expect(cacheFolder({ EFLOW_CACHE: '/a', XDG_CACHE_HOME: '/b' })).toBe('/a');
  expect(cacheFolder({ EFLOW_CACHE: '', XDG_CACHE_HOME: '/b' })).toBe('/b/eflow');
  expect(cacheFolder({ EFLOW_CACHE: 'a' })).toBe(resolve('a'));
  for (const XDG_CACHE_HOME of [undefined, '', 'relative']) {
    expect(cacheFolder({ XDG_CACHE_HOME })).toMatch(/^\/.+\/\.cache\/eflow$/);
  }
});

it('needs no HOME', () => {
  for (const HOME of ['', 'relative']) {
    vi.stubEnv('HOME', HOME);
    expect(cacheFolder({})).toBe(join(userInfo().homedir, '.cache', 'eflow'));
  }
  vi.unstubAllEnvs();
});

it('leaves neither target nor temporary when a build fails', async () => {
  const build = async (temporary: string) => {
    await writeFile(temporary, 'half');
    throw new Error('broken');
  };
  await expect(buildAtomically(join(folder, 'x'), build)).rejects.toThrow('broken');
  expect(readdirSync(folder)).toEqual([]);
});

it('lets the first of two builds of a folder win, and does not build what exists', async () => {
  const target = join(folder, 'deep', 'x');
  const build = (content: string, first: Promise<unknown> = Promise.resolve()) =>
    buildAtomically(target, async (temporary) => {
      await mkdir(temporary);
      await first;
      await writeFile(join(temporary, 'content'), content);
    });
  const fast = build('fast');
  await Promise.all([fast, build('slow', fast)]);
  await build('late');
  expect(readFileSync(join(target, 'content'), 'utf8')).toBe('fast');
  expect(readdirSync(join(folder, 'deep'))).toEqual(['x']);
});

it('replaces a link or a file by a link', async () => {
  const link = join(folder, 'link');
  writeFileSync(link, 'a file');
  for (const name of ['one', 'two']) {
    writeFileSync(join(folder, name), name);
    await linkAtomically(join(folder, name), link);
    expect(readFileSync(link, 'utf8')).toBe(name);
  }
});

it("removes temporaries of dead processes, and other machines' after a day", async () => {
  const old = new Date(Date.now() - 25 * 3600 * 1000);
  const names = {
    dead: `x.tmp-${hostname()}~${deadPid()}~0a`,
    deadParts: `x.tmp-${hostname()}~${deadPid()}~0a.tar.gz`,
    alive: `x.tmp-${hostname()}~${process.pid}~0b`,
    elsewhere: 'x.tmp-other~1~0c',
    elsewhereOld: 'x.tmp-other~1~0d',
  };
  for (const name of [...Object.values(names), 'x']) writeFileSync(join(folder, name), '');
  utimesSync(join(folder, names.elsewhereOld), old, old);
  await removeDeadTemporaries(folder);
  expect(readdirSync(folder).sort()).toEqual(['x', names.alive, names.elsewhere].sort());
  await removeDeadTemporaries(join(folder, 'missing'));
});

/** A promise and what settles it. */
function createGate(): { opened: Promise<void>; open: () => void } {
  let open = () => {};
  const opened = new Promise<void>((resolve) => {
    open = resolve;
  });
  return { opened, open };
}

it('holds a lock against others, and gives it back when the work fails', async () => {
  const lock = join(folder, 'lock');
  const order: string[] = [];
  const [held, waits] = [createGate(), createGate()];
  const first = withLock(lock, expect.unreachable, async () => {
    held.open();
    await waits.opened;
    order.push('first');
    throw new Error('broken');
  });
  await held.opened;
  const second = withLock(lock, waits.open, async () => void order.push('second'));
  await expect(first).rejects.toThrow('broken');
  await second;
  expect(order).toEqual(['first', 'second']);
  expect(existsSync(lock)).toBe(false);
});

it('goes on without its lock when another took it over', async () => {
  const lock = join(folder, 'lock');
  const [lost, taken] = [createGate(), createGate()];
  const first = withLock(lock, expect.unreachable, async () => {
    const old = new Date(Date.now() - 3600_000);
    utimesSync(lock, old, old); // as if this process had been suspended for an hour
    lost.open();
    await taken.opened;
    await sleep(3000); // in which it sees that, since it looks every second
    return 'first';
  });
  await lost.opened;
  const second = withLock(lock, expect.unreachable, async () => {
    taken.open();
    await first;
    return 'second';
  });
  expect(await Promise.all([first, second])).toEqual(['first', 'second']);
});

describe('processes that want one lock', () => {
  const run = (...extra: string[]) => {
    const args = [join(folder, 'lock'), join(folder, 'notes'), ...extra];
    return startProcess('fixtures/hold-lock.ts', args, process.env as Record<string, string>);
  };
  const notes = () => readFileSync(join(folder, 'notes'), 'utf8');

  it('do the work once', async () => {
    const outcomes = await Promise.all(Array.from({ length: 5 }, () => run().done));
    expect(outcomes.map(({ code }) => code)).toEqual([0, 0, 0, 0, 0]);
    expect(notes()).toBe('begun\ndone\n');
  });

  it('follow one that was killed', async () => {
    const { child, done } = run('hang');
    await once(child.stdout!, 'data');
    const next = run();
    await once(next.child.stdout!, 'data');
    child.kill('SIGKILL');
    await done;
    expect(await next.done).toEqual({ code: 0, output: 'waits\nholds\n' });
    expect(notes()).toBe('begun\ndone\n');
  });
});
