import {
  appendFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { loadConfig } from './load-config.ts';
import {
  createRunFolder,
  forgetSteps,
  openRunFolder,
  type RunFolder,
  readHeldOut,
  readMeasurements,
  readMetrics,
  readSkipped,
} from './run-folder.ts';

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
    const other = loadConfig('digits-tiny', ['training.steps=77', 'seed=2']);
    expect(() => createRunFolder(root, other)).toThrow(
      `holds a run of another config (seed is 0 there and 2 here; training.steps is ${config.training.steps} there and 77 here): go on with that by --resume`,
    );
    expect(readFileSync(folder.metrics, 'utf8')).toBe('precious\n');
    createRunFolder(root, config, { overwrite: true });
    expect(existsSync(folder.metrics)).toBe(false);
    expect(readFileSync(join(root, 'notes.txt'), 'utf8')).toBe('mine');
  });

  it('opens a run of the same config as it is, also one whose making was ended half-way', () => {
    const folder = createRunFolder(root, config);
    writeFileSync(folder.metrics, 'precious\n');
    expect(createRunFolder(root, config)).toEqual(folder);
    expect(readFileSync(folder.metrics, 'utf8')).toBe('precious\n');
    const torn = join(root, 'torn');
    mkdirSync(torn);
    writeFileSync(join(torn, 'config.yaml.123456'), 'name: dig');
    createRunFolder(torn, config);
    expect(openRunFolder(torn).config).toEqual(config);
    rmSync(join(torn, 'events'), { recursive: true });
    createRunFolder(torn, config);
    expect(existsSync(join(torn, 'events'))).toBe(true);
  });

  it.each<[string, (folder: RunFolder) => void, boolean]>([
    ['nothing', () => {}, true],
    [
      'empty lists of steps',
      ({ metrics, skipped }) => {
        for (const file of [metrics, skipped]) writeFileSync(file, '');
      },
      true,
    ],
    ['a checkpoint of the start', ({ checkpoints }) => mkdirSync(join(checkpoints, 'step-000000')), true],
    ['a step', ({ metrics }) => writeFileSync(metrics, '{"step":0}\n'), false],
    ['a step that was left out', ({ skipped }) => writeFileSync(skipped, '{"step":0}\n'), false],
    ['a checkpoint', ({ checkpoints }) => mkdirSync(join(checkpoints, 'step-000010')), false],
    ['a damaged checkpoint', ({ checkpoints }) => mkdirSync(join(checkpoints, 'step-000010.damaged-ab')), false],
  ])('takes a run of another config that has %s for an empty folder or not', (_, fill, isEmpty) => {
    fill(createRunFolder(root, config));
    const other = loadConfig('digits-tiny', ['seed=2']);
    if (!isEmpty) return expect(() => createRunFolder(root, other)).toThrow('holds a run of another config');
    const { checkpoints } = createRunFolder(root, other);
    expect(openRunFolder(root).config).toEqual(other);
    expect(readdirSync(checkpoints)).toEqual([]);
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

describe('forgetSteps', () => {
  it('removes steps that are made again, of both lists', () => {
    const folder = createRunFolder(root, config);
    forgetSteps(folder, 3);
    expect(existsSync(folder.metrics)).toBe(false);
    expect(readSkipped(folder)).toEqual([]);
    const line = (step: number) => `${JSON.stringify({ step, loss: 0.1 * step })}\n`;
    writeFileSync(folder.metrics, `${[0, 2, 3, 4].map(line).join('')}{"st`);
    writeFileSync(folder.skipped, [1, 5].map(line).join(''));
    forgetSteps(folder, 3);
    expect(readFileSync(folder.metrics, 'utf8')).toBe([0, 2].map(line).join(''));
    expect(readSkipped(folder).map(({ step }) => step)).toEqual([1]);
  });

  it('keeps what was measured after the last step that stays', () => {
    const folder = createRunFolder(root, config);
    const lines = [2, 3, 4].map((step) => `{"step":${step}}\n`).join('');
    for (const file of [folder.measurements, folder.heldOut]) writeFileSync(file, lines);
    forgetSteps(folder, 3);
    expect(readMeasurements(folder).map(({ step }) => step)).toEqual([2, 3]);
    expect(readHeldOut(folder).map(({ step }) => step)).toEqual([2, 3]);
    createRunFolder(root, config, { overwrite: true });
    expect(readHeldOut(folder)).toEqual([]);
  });
});

describe('readMetrics', () => {
  it('ignores a torn last line', () => {
    const folder = createRunFolder(root, config);
    appendFileSync(folder.metrics, '{"step":0,"loss":1}\n{"step":1,"loss":2}\n{"step":2,"lo');
    expect(readMetrics(folder).map(({ step }) => step)).toEqual([0, 1]);
  });
});
