import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { findBestStep, findCheckpoint } from './best-checkpoint.ts';
import { loadConfig } from './load-config.ts';
import { createRunFolder, type RunFolder } from './run-folder.ts';

let root: string;
let folder: RunFolder;
const config = loadConfig('digits-tiny', ['training.keepBest=frechetDistance', 'measurement.every=10']);
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'best-'));
  folder = createRunFolder(join(root, 'run'), config);
});
afterEach(() => rmSync(root, { recursive: true }));

const keep = (...steps: number[]) => {
  for (const step of steps) mkdirSync(join(folder.checkpoints, `step-${String(step).padStart(6, '0')}`));
};
/** Measurements by step: the distance, and of how many clips where they are others than before. */
const measure = (...lines: [step: number, distance: number | null, clips?: number][]) =>
  writeFileSync(
    folder.measurements,
    lines
      .map(([step, distance, clips = 256]) =>
        JSON.stringify({ step, frechetDistance: distance, kernelDistance: -step, protocol: { numGenerated: clips } }),
      )
      .join('\n')
      .concat('\n'),
  );

describe('the best step', () => {
  it('is the lowest by what is asked for, of equal ones the first', () => {
    keep(10, 20, 30, 40);
    measure([10, 7], [20, 5], [30, 5], [40, 6]);
    expect(findBestStep(folder, 'frechetDistance')).toBe(20);
    expect(findBestStep(folder, 'kernelDistance')).toBe(40);
    expect(findBestStep(folder, 'heldOutVelocityLoss')).toBeUndefined();
    writeFileSync(
      folder.heldOut,
      '{"step":10,"clips":8,"velocityLoss":0.5}\n{"step":30,"clips":8,"velocityLoss":0.4}\n',
    );
    expect(findBestStep(folder, 'heldOutVelocityLoss')).toBe(30);
  });

  it('has a checkpoint, or is the one that is told to count as if', () => {
    keep(10);
    measure([10, 7], [20, 5], [30, 6]);
    expect(findBestStep(folder, 'frechetDistance')).toBe(10);
    expect(findBestStep(folder, 'frechetDistance', 30)).toBe(30);
    keep(20);
    expect(findBestStep(folder, 'frechetDistance', 30)).toBe(20);
  });

  it('was measured as the last one was, and is finite', () => {
    keep(10, 20, 30, 40, 50);
    measure([10, 1, 100], [20, 5], [30, null], [40, 4], [50, 6]);
    expect(findBestStep(folder, 'frechetDistance')).toBe(40);
  });
});

describe('findCheckpoint', () => {
  it('finds a step, and the best one', () => {
    keep(10, 1_000_000);
    measure([10, 7], [1_000_000, 5]);
    expect(findCheckpoint(folder, config, 'step-000010')).toBe(join(folder.checkpoints, 'step-000010'));
    expect(findCheckpoint(folder, config, 'best')).toBe(join(folder.checkpoints, 'step-1000000'));
  });

  it('says why there is no best one', () => {
    keep(10);
    expect(() => findCheckpoint(folder, config, 'best')).toThrow(
      'has no best checkpoint yet: none was measured by frechetDistance; it has step-000010',
    );
    expect(() => findCheckpoint(folder, loadConfig('digits-tiny'), 'best')).toThrow(
      'has no best checkpoint, as training.keepBest is not set; it has step-000010',
    );
  });
});
