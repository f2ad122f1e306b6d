import { appendFileSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { loadConfig } from './load-config.ts';
import { createRunFolder, openRunFolder, readMetrics } from './run-folder.ts';

let root: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'run-'));
});
afterEach(() => rmSync(root, { recursive: true }));

const config = loadConfig('digits-tiny');

describe('createRunFolder', () => {
  it('writes a config that opens as the same', () => {
    const path = join(root, 'new/run');
    const folder = createRunFolder(path, config);
    expect(openRunFolder(path)).toEqual({ folder, config });
    expect([folder.checkpoints, folder.previews, folder.events].every((part) => existsSync(part))).toBe(true);
  });

  it('never overwrites without being told to, and then only a run', () => {
    const folder = createRunFolder(root, config);
    writeFileSync(folder.metrics, 'precious\n');
    writeFileSync(join(root, 'notes.txt'), 'mine');
    expect(() => createRunFolder(root, config)).toThrow('exists: resume it with --resume, replace it with --overwrite');
    expect(readFileSync(folder.metrics, 'utf8')).toBe('precious\n');
    createRunFolder(root, config, { overwrite: true });
    expect(existsSync(folder.metrics)).toBe(false);
    expect(readFileSync(join(root, 'notes.txt'), 'utf8')).toBe('mine');
  });

  it('leaves a folder alone that is no run, even when told to overwrite', () => {
    mkdirSync(join(root, 'checkpoints'));
    expect(() => createRunFolder(root, config, { overwrite: true })).toThrow('is not a run');
    expect(existsSync(join(root, 'checkpoints'))).toBe(true);
  });
});

describe('openRunFolder', () => {
  it('says what it looked for', () => {
    expect(() => openRunFolder(join(root, 'none'))).toThrow('no run here (config.yaml is missing)');
  });
});

describe('readMetrics', () => {
  it('ignores a torn last line', () => {
    const folder = createRunFolder(root, config);
    appendFileSync(folder.metrics, '{"step":0,"loss":1}\n{"step":1,"loss":2}\n{"step":2,"lo');
    expect(readMetrics(folder).map(({ step }) => step)).toEqual([0, 1]);
  });
});
