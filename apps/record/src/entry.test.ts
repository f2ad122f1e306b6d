import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describeMachine } from '@eflow/cli';
import { RECORD_FILE, readEntries } from '@eflow/record';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { appendEntry, checkEntry, PAGE, writePage } from './entry.ts';
import { syntheticEntry } from './synthetic.ts';
import { formatRecord } from './table.ts';

const root = mkdtempSync(join(tmpdir(), 'record-'));
const before = process.cwd();
beforeAll(() => process.chdir(root));
afterAll(() => {
  process.chdir(before);
  rmSync(root, { recursive: true });
});

describe('checkEntry', () => {
  const changes = [' M a', ' M b', '?? c', ' M d', ' M e', ' M f', ' M g'];
  const request = {
    change: 'Muon',
    overrides: [],
    checkout: { commit: 'abc1234', changes: [], id: '' },
    allowDirty: false,
  };
  const dirty = { ...request.checkout, changes };
  const machine = { ...describeMachine(), cores: 2 };

  it.each([
    ['no words', { change: ' ' }, '--change is empty'],
    ['overrides', { overrides: ['seed=3', 'a=b'] }, "without 'seed=3': write that into the preset"],
    ['changed files', { checkout: dirty }, '7 files changed since commit abc1234'],
    ['many of them', { checkout: dirty }, ' M a,  M b, ?? c,  M d,  M e, and 2 more. Commit them'],
  ])('refuses %s', (_, wrong, message) => {
    expect(() => checkEntry({ ...request, ...wrong }, machine)).toThrow(message);
  });

  it('refuses a larger machine, and says how to use less of it', () => {
    expect(() => checkEntry(request, { ...machine, cores: 8 })).toThrow(/may use 8: put `taskset --cpu-list 0,1`/);
  });

  it('takes the rest, and changed files where that is asked for', () => {
    checkEntry(request, machine);
    checkEntry({ ...request, checkout: dirty, allowDirty: true }, { ...machine, cores: 1 });
  });
});

it('adds entries in their order, each once, and keeps the page', () => {
  const [first, second] = [syntheticEntry('first', [10, 11, 12]), syntheticEntry('second', [9, 8, 7])];
  appendEntry(first);
  appendEntry(second);
  appendEntry({ ...first, date: '2026-02-01', change: 'in other words' });
  expect(readEntries(RECORD_FILE)).toEqual([first, second]);
  const page = formatRecord([first, second]);
  expect(readFileSync(PAGE, 'utf8')).toBe(page);

  rmSync(PAGE);
  writePage();
  expect(readFileSync(PAGE, 'utf8')).toBe(page);
});
