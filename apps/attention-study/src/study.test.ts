import { spawnSync } from 'node:child_process';
import { appendFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, it } from 'vitest';
import type { Cell } from './results.ts';
import { KINDS } from './settings.ts';

const root = mkdtempSync(join(tmpdir(), 'attention-study-'));
afterAll(() => rmSync(root, { recursive: true }));

function study(...args: string[]) {
  const main = fileURLToPath(new URL('./main.ts', import.meta.url));
  const node = ['--import', 'tsx', '--conditions=@eflow/source', main, ...args];
  const { status, stdout, stderr } = spawnSync(process.execPath, node, { encoding: 'utf8' });
  return { status, stdout, stderr };
}

describe('attention-study as a command', () => {
  const out = join(root, 'quick');
  const quick = ['--steps', '3', '--batch-size', '2', '--rates', '0,0.9', '--out', out];
  const journal = join(out, 'cells.jsonl');
  const cells = () =>
    readFileSync(journal, 'utf8')
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as Cell);

  it('trains every kind at every rate, and all stay finite', () => {
    const { status, stdout, stderr } = study(...quick);
    expect(status, stderr).toBe(0);
    expect(stderr).toContain('to go');
    expect(cells().map(({ kind, rate }) => `${kind} ${rate}`)).toEqual(
      Object.keys(KINDS).flatMap((kind) => [`${kind} 0`, `${kind} 0.9`]),
    );
    for (const cell of cells()) {
      expect(cell).toMatchObject({ nonFinite: 0, spikes: 0 });
      expect(cell.loss).toBeGreaterThan(0.5);
      expect(cell.largestGradNorm).toBeGreaterThan(0.1);
    }
    expect(stdout).toBe(`${readFileSync(join(out, 'study.md'), 'utf8')}\n`);
    expect(JSON.parse(readFileSync(join(out, 'study.json'), 'utf8')).cells).toHaveLength(2 * Object.keys(KINDS).length);
  });

  it('goes on where it was ended, and makes the same again', () => {
    const [first, second, third] = readFileSync(journal, 'utf8').split('\n') as [string, string, string];
    // As if ended while the third cell was being written.
    writeFileSync(journal, [first, second, third.slice(0, 20)].join('\n'));
    expect(study(...quick, '--kinds', 'softmax,linear').status).toBe(0);
    const again = cells();
    expect(again.slice(0, 2)).toEqual([JSON.parse(first), JSON.parse(second)]);
    const { seconds: _, ...old } = JSON.parse(third) as Cell;
    expect(again[2]).toMatchObject(old);
    expect(again).toHaveLength(4);
  });

  it('ends with 1 and names the cells that did not stay finite', () => {
    const [cell] = cells();
    appendFileSync(journal, `${JSON.stringify({ ...cell, kind: 'glga', rate: 0, loss: Number.NaN, nonFinite: 2 })}\n`);
    const { status, stdout, stderr } = study(...quick, '--kinds', 'softmax,glga', '--rates', '0');
    expect(status).toBe(1);
    expect(stderr).toContain('not finite in glga without 0 %');
    expect(stdout).toMatch(/\| glga \| 0 % \| NaN \|/);
  });

  it.each([
    [['--kinds', 'softmax,flash'], 'expected some of softmax, linear'],
    [['--rates', '0,1'], 'expected shares in [0, 1)'],
    [['--steps', '0'], 'expected an integer of at least 1'],
    [[...quick, '--steps', '4'], 'give another folder with --out'],
  ])('%j: one clear error', (args, message) => {
    const { status, stderr } = study('--out', join(root, 'other'), ...args);
    expect(status).toBe(1);
    expect(stderr).toContain(message);
    expect(stderr).not.toContain('    at ');
  });
});
