import { mkdirSync, mkdtempSync, rmSync, utimesSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { findNewestRun } from './newest-run.ts';

const runs = mkdtempSync(join(tmpdir(), 'runs-'));
afterAll(() => rmSync(runs, { recursive: true }));

it('finds the run that wrote a checkpoint last, whatever else was written since', () => {
  expect(() => findNewestRun(join(runs, 'none'))).toThrow(/none\/ holds no run with a checkpoint: train one first/);
  for (const [i, name] of ['b', 'c', 'a', 'untrained'].entries()) {
    const checkpoints = join(runs, name, 'checkpoints');
    mkdirSync(name === 'untrained' ? checkpoints : join(checkpoints, 'step-000001'), { recursive: true });
    utimesSync(checkpoints, 1000 + i, 1000 + i);
  }
  expect(findNewestRun(runs)).toBe(join(runs, 'a'));
  const older = join(runs, 'b', 'checkpoints');
  utimesSync(older, 2000, 2000);
  expect(findNewestRun(runs)).toBe(join(runs, 'b'));
});
