import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { takeLock } from './lock.ts';

let root: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'lock-'));
  vi.spyOn(console, 'error').mockImplementation(() => {});
});
afterEach(() => rmSync(root, { recursive: true }));

/** A process that takes the lock, runs `code` with it, and ends. It writes to `log`, a line at a time. */
function startHolder(code: string) {
  const { href } = new URL('./lock.ts', import.meta.url);
  const program = `
    import { appendFileSync } from 'node:fs';
    import { takeLock } from ${JSON.stringify(href)};
    const log = (line) => appendFileSync(${JSON.stringify(join(root, 'log'))}, line + ' ' + process.pid + '\\n');
    const pause = (ms) => new Promise((done) => setTimeout(done, ms));
    const lock = await takeLock(${JSON.stringify(root)}, 600);
    ${code}`;
  return spawn(process.execPath, ['--import', 'tsx', '--input-type=module', '--eval', program], { stdio: 'ignore' });
}

const lines = () => readFileSync(join(root, 'log'), 'utf8').trim().split('\n');

async function waitForLines(count: number): Promise<void> {
  while (!existsSync(join(root, 'log')) || lines().length < count) await setTimeout(10);
}

describe('takeLock', () => {
  it('is held, by whatever path, until it is given back', async () => {
    const lock = await takeLock(root, 0);
    await expect(takeLock(root, 0)).rejects.toThrow('another process is training in this folder');
    lock.sign();
    const link = `${root}-link`;
    symlinkSync(root, link);
    await expect(takeLock(link, 0)).rejects.toThrow(
      `process ${process.pid} is training in this folder (${link}): wait for it, end it with kill ${process.pid}, or`,
    );
    rmSync(link);
    lock.release();
    expect(existsSync(join(root, 'train.lock'))).toBe(false);
    (await takeLock(root, 0)).release();
  });

  it('is free where a train.lock was left behind', async () => {
    writeFileSync(join(root, 'train.lock'), JSON.stringify({ pid: process.pid }));
    (await takeLock(root, 0)).release();
  });

  it('is held by a process whose event loop is blocked, until that is killed', async () => {
    const holder = startHolder("lock.sign(); log('in'); Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);");
    await waitForLines(1);
    await expect(takeLock(root, 0)).rejects.toThrow(`process ${holder.pid} is training`);
    const taken = takeLock(root, 600);
    holder.kill('SIGKILL');
    (await taken).release();
  });

  it('goes to one of those who wait when its holder is killed, and then to the next', async () => {
    const holder = startHolder("log('held'); await pause(600_000);");
    await waitForLines(1);
    const waiting = Array.from({ length: 5 }, () =>
      startHolder("log('in'); await pause(50); log('out'); process.kill(process.pid, 'SIGKILL');"),
    );
    await setTimeout(1000); // most of them wait by now; those that come later are as good
    holder.kill('SIGKILL');
    await Promise.all(waiting.map((child) => once(child, 'close')));
    const [, ...said] = lines();
    expect(said).toHaveLength(10);
    for (let i = 0; i < said.length; i += 2) expect(said[i + 1]).toBe(said[i]!.replace('in', 'out'));
  });
});
