import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import type { BestBy, RunConfig } from './config.ts';
import { findDifferences } from './find-differences.ts';
import { type RunFolder, readHeldOut, readMeasurements } from './run-folder.ts';

/**
 * The step whose checkpoint is the best by a measurement: of those that are there and were measured as the last one was, the lowest, of
 * equal ones the first. `now` counts as if it had a checkpoint. The logs and the folders decide, so that no pointer can go stale.
 * Undefined where there is none.
 */
export function findBestStep(folder: RunFolder, by: BestBy, now?: number): number | undefined {
  const figures = readFigures(folder, by);
  const steps = new Set([...listCheckpointNames(folder).map((name) => Number(name.slice(5))), now]);
  const found = figures.filter(
    ({ step, value, how }) =>
      steps.has(step) && Number.isFinite(value) && findDifferences(how, figures.at(-1)!.how).length === 0,
  );
  return found.sort((a, b) => a.value - b.value)[0]?.step; // the sort is stable
}

interface Figure {
  step: number;
  value: number;
  /** What must not differ between two that are compared. */
  how: unknown;
}

function readFigures(folder: RunFolder, by: BestBy): Figure[] {
  switch (by) {
    case 'frechetDistance':
    case 'kernelDistance':
      return readMeasurements(folder).map(({ step, protocol, [by]: value }) => ({ step, value, how: protocol }));
    case 'heldOutVelocityLoss':
      return readHeldOut(folder).map(({ step, clips, velocityLoss }) => ({ step, value: velocityLoss, how: clips }));
  }
}

/** Names such as `step-000500`, in order. */
const listCheckpointNames = ({ checkpoints }: RunFolder): string[] =>
  (existsSync(checkpoints) ? readdirSync(checkpoints) : []).filter((one) => /^step-\d+$/.test(one)).sort();

/** The folder of a run's checkpoint: of a step, such as `step-000500`, or of the `best` one. Throws, saying which there are, if it is not there. */
export function findCheckpoint(folder: RunFolder, { training }: RunConfig, name: string): string {
  const { checkpoints } = folder;
  const names = listCheckpointNames(folder);
  const there = `it has ${names.join(', ') || 'none yet: train first'}`;
  if (name === 'best') {
    const { keepBest } = training;
    if (keepBest === undefined) {
      throw new Error(`${checkpoints} has no best checkpoint, as training.keepBest is not set; ${there}`);
    }
    const step = findBestStep(folder, keepBest);
    if (step === undefined) {
      throw new Error(`${checkpoints} has no best checkpoint yet: none was measured by ${keepBest}; ${there}`);
    }
    return join(checkpoints, names.find((one) => Number(one.slice(5)) === step)!);
  }
  if (names.includes(name)) return join(checkpoints, name);
  throw new Error(`${checkpoints} has no checkpoint '${name}'; ${there}`);
}
