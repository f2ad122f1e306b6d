import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, expect, it } from 'vitest';
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
  expect(cacheFolder({})).toMatch(/\/\.cache\/eflow$/);
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
  const build = (content: string, delayMs: number) =>
    buildAtomically(target, async (temporary) => {
      await mkdir(temporary);
      await sleep(delayMs);
      await writeFile(join(temporary, 'content'), content);
    });
  await Promise.all([build('slow', 200), build('fast', 0)]);
  await build('late', 0);
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

it('holds a lock against others, and gives it back when the work fails', async () => {
  const lock = join(folder, 'lock');
  const order: string[] = [];
  let waited = '';
  const first = withLock(
    lock,
    () => {},
    async () => {
      await sleep(100);
      order.push('first');
      throw new Error('broken');
    },
  );
  const second = withLock(
    lock,
    (holder) => {
      waited = holder;
    },
    async () => void order.push('second'),
  );
  await expect(first).rejects.toThrow('broken');
  await second;
  expect(order).toEqual(['first', 'second']);
  expect(waited).toContain(`process ${process.pid}`);
  expect(existsSync(lock)).toBe(false);
});

it('takes over the lock of a dead process', async () => {
  const lock = join(folder, 'lock');
  writeFileSync(lock, `${hostname()}~${deadPid()}`);
  expect(
    await withLock(
      lock,
      () => {},
      async () => 'done',
    ),
  ).toBe('done');
});
