import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { assertUnlocked, takeLock } from './lock.ts';

let folder: string;
let file: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'lock-'));
  file = join(folder, 'train.lock');
  vi.spyOn(console, 'error').mockImplementation(() => {});
});
afterEach(() => rmSync(folder, { recursive: true }));

const holder = () => JSON.parse(readFileSync(file, 'utf8')) as { pid: number; startTime: string };

describe('takeLock', () => {
  it('is held until it is given back', async () => {
    const release = await takeLock(file, 0);
    expect(holder().pid).toBe(process.pid);
    await expect(takeLock(file, 0)).rejects.toThrow(`process ${process.pid} is training in this folder`);
    expect(() => assertUnlocked(file)).toThrow(`end it with kill ${process.pid}`);
    release();
    expect(existsSync(file)).toBe(false);
    assertUnlocked(file);
    (await takeLock(file, 0))();
  });

  it('waits for a holder that ends', async () => {
    const child = spawn('cat'); // ends when its input does
    const release = await takeLock(file, 0);
    const stat = readFileSync(`/proc/${child.pid}/stat`, 'utf8');
    const startTime = stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19];
    writeFileSync(file, JSON.stringify({ pid: child.pid, startTime }));
    const taken = takeLock(file, 600);
    child.stdin.end();
    await taken;
    expect(holder().pid).toBe(process.pid);
    release();
  });

  it.each([
    ['of a process that is no more', JSON.stringify({ pid: 2 ** 22 + 1, startTime: '1' })],
    ["of a later process with the holder's number", JSON.stringify({ pid: process.pid, startTime: '1' })],
    ['that is torn', '{"pid":'],
  ])('takes one over %s', async (_, content) => {
    writeFileSync(file, content);
    const release = await takeLock(file, 0);
    expect(holder().pid).toBe(process.pid);
    release();
  });
});
