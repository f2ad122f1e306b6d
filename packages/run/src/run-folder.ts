import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { LossTerm } from '@eflow/flow';
import type { Protocol } from '@eflow/fvd';
import { sync as writeFileAtomically } from 'write-file-atomic';
import { stringify } from 'yaml';
import type { RunConfig } from './config.ts';
import { findDifferences } from './find-differences.ts';
import { loadConfig } from './load-config.ts';

/** The places in a run's folder; nothing is read or written. */
const runFolder = (root: string) => ({
  root,
  /** The whole config, defaults filled in. */
  config: join(root, 'config.yaml'),
  /** One line per update. */
  metrics: join(root, 'metrics.jsonl'),
  /** One line per step whose update was left out; absent where there was none. */
  skipped: join(root, 'skipped.jsonl'),
  /** One line per measurement; absent where there was none. */
  measurements: join(root, 'measurements.jsonl'),
  /** One line per evaluation of held-out clips; absent where there was none. */
  heldOut: join(root, 'held-out.jsonl'),
  /** The number of the process that trains; absent where none does. */
  lock: join(root, 'train.lock'),
  /** The videos and classes that are trained on (`DataRecord`); absent where clips are made. */
  data: join(root, 'data.json'),
  /** Folders step-NNNNNN. */
  checkpoints: join(root, 'checkpoints'),
  /** Grids sampled while training. */
  previews: join(root, 'previews'),
  /** TensorBoard's event files. */
  events: join(root, 'events'),
});

/** Where the files of a run lie. */
export type RunFolder = ReturnType<typeof runFolder>;

/**
 * Makes a run's folder and writes its config. A folder that holds a run of the same config is left as it is, so that the
 * same command goes on with a run that was ended; a run that has made no step is replaced, since its start failed. Throws if the
 * folder holds anything else, unless `overwrite` is set and it is an earlier run, whose files are then removed. One process
 * at a time may call this for a folder.
 */
export function createRunFolder(root: string, config: RunConfig, { overwrite = false } = {}): RunFolder {
  const folder = runFolder(root);
  const { config: file, checkpoints, previews, events } = folder;
  // The config is written first: before it stands there, a kill leaves at most the temporary file that it is written to.
  const names = existsSync(root) ? readdirSync(root).filter((name) => !/^config\.yaml\.\d+$/.test(name)) : [];
  if (names.length > 0) {
    if (!existsSync(file)) {
      throw new Error(
        `${root} is not a run (it has no config.yaml): it is left alone; choose another folder with --out`,
      );
    }
    const differences = overwrite ? [] : findDifferences(loadConfig(file), config);
    if (differences.length > 0 && hasSteps(folder)) {
      const first = differences
        .slice(0, 3)
        .map(({ key, before, after }) => `${key} is ${before} there and ${after} here`);
      throw new Error(
        `${root} holds a run of another config (${first.join('; ')}): ` +
          'go on with that by --resume, replace it with --overwrite, or choose another folder with --out',
      );
    }
    if (overwrite || differences.length > 0) removeRun(folder);
  }
  mkdirSync(root, { recursive: true });
  if (!existsSync(file)) writeConfig(folder, config);
  for (const path of [checkpoints, previews, events]) mkdirSync(path, { recursive: true });
  return folder;
}

/** Whether anything was trained: a step was logged, or there is a checkpoint, damaged or not, of another than the start. */
function hasSteps({ metrics, skipped, checkpoints }: RunFolder): boolean {
  const isLogged = [metrics, skipped].some((file) => existsSync(file) && statSync(file).size > 0);
  return isLogged || (existsSync(checkpoints) && readdirSync(checkpoints).some((name) => !/^step-0+\b/.test(name)));
}

/** Removes what a run wrote; its config last, so that what a kill leaves is still a run. */
function removeRun({ config, ...folder }: RunFolder): void {
  const { metrics, skipped, measurements, heldOut, data, checkpoints, previews, events } = folder;
  for (const path of [metrics, skipped, measurements, heldOut, data, checkpoints, previews, events, config]) {
    rmSync(path, { recursive: true, force: true });
  }
}

/** Writes the whole config into a run's folder: at its start, and where a resumed run changes it. */
export function writeConfig(folder: RunFolder, config: RunConfig): void {
  writeFileAtomically(folder.config, stringify(config));
}

/** The folder and the config of an existing run. Throws if there is none. */
export function openRunFolder(root: string): { folder: RunFolder; config: RunConfig } {
  const folder = runFolder(root);
  if (!existsSync(folder.config)) {
    throw new Error(
      `${root}: no run here (config.yaml is missing); give the folder that training wrote, such as runs/digits-tiny`,
    );
  }
  return { folder, config: loadConfig(folder.config) };
}

/**
 * One step of metrics.jsonl. Losses are means over the batch, and those of residuals the plain mean squares; rates are of
 * that step.
 */
export interface StepMetrics extends Partial<Record<LossTerm, number>> {
  /** Every objective has it. */
  velocityLoss: number;
  step: number;
  /** Since training began, resumed parts included. */
  seconds: number;
  loss: number;
  /** Before clipping. */
  gradNorm: number;
  learningRate: number;
  stepSeconds: number;
  /** Waiting for the batch and handing it to TensorFlow. */
  dataSeconds: number;
  clipsPerSecond: number;
  numTensors: number;
  residentBytes: number;
}

/** The updates of a run so far. */
export const readMetrics = (folder: RunFolder): StepMetrics[] => readLines<StepMetrics>(folder.metrics);

/** A step whose update was left out, and why. */
export interface SkippedStep {
  step: number;
  reason: string;
  /** First and last sample of its batch. */
  samples: [number, number];
}

/** The steps of a run so far whose updates were left out. */
export const readSkipped = (folder: RunFolder): SkippedStep[] =>
  existsSync(folder.skipped) ? readLines<SkippedStep>(folder.skipped) : [];

/** How far the EMA weights' clips are from real ones. */
export interface StepMeasurement {
  /** Steps made when it was taken. */
  step: number;
  /** Since training began, resumed parts included. */
  seconds: number;
  /** FVD if the protocol's features are I3D's. */
  frechetDistance: number;
  kernelDistance: number;
  kernelStandardError: number;
  protocol: Protocol;
  /** How many videos the run has, held-out ones included, and how many of them are too short for a clip; absent for moving digits. */
  data?: { videos: number; tooShort: number };
}

/** The measurements of a run so far. */
export const readMeasurements = (folder: RunFolder): StepMeasurement[] =>
  existsSync(folder.measurements) ? readLines<StepMeasurement>(folder.measurements) : [];

/** Mean squares of an objective's residuals, of the EMA weights on clips that training never sees. */
export interface HeldOutLosses extends Partial<Record<LossTerm, number>> {
  /** Every objective has it. */
  velocityLoss: number;
  /** Steps made when they were taken. */
  step: number;
  /** Since training began, resumed parts included. */
  seconds: number;
  /** How many there were, the same each time. */
  clips: number;
}

/** The held-out losses of a run so far. */
export const readHeldOut = (folder: RunFolder): HeldOutLosses[] =>
  existsSync(folder.heldOut) ? readLines<HeldOutLosses>(folder.heldOut) : [];

/** Objects of a file with one on each line; a torn last line, left by a kill, is ignored. */
function readLines<Line>(file: string): Line[] {
  const lines = readFileSync(file, 'utf8').split('\n');
  return lines.slice(0, -1).map((line) => JSON.parse(line) as Line);
}

/** Removes what an earlier attempt wrote of steps from `firstStep` on, which are made again. */
export function forgetSteps(folder: RunFolder, firstStep: number): void {
  // A measurement's step is the number of those before it.
  for (const [file, end] of [
    [folder.metrics, firstStep],
    [folder.skipped, firstStep],
    [folder.measurements, firstStep + 1],
    [folder.heldOut, firstStep + 1],
  ] as const) {
    if (!existsSync(file)) continue;
    const kept = readLines<{ step: number }>(file).filter(({ step }) => step < end);
    writeFileAtomically(file, kept.map((line) => `${JSON.stringify(line)}\n`).join(''));
  }
}
