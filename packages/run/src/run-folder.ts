import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { LossTerm } from '@eflow/flow';
import { stringify } from 'yaml';
import type { RunConfig } from './config.ts';
import { loadConfig } from './load-config.ts';

/** Where the files of a run lie. */
export interface RunFolder {
  root: string;
  /** config.yaml: the whole config, defaults filled in. */
  config: string;
  /** metrics.jsonl: one line per step. */
  metrics: string;
  /** checkpoints/step-NNNNNN/ */
  checkpoints: string;
  /** previews/: grids sampled while training. */
  previews: string;
  /** TensorBoard's event files. */
  events: string;
}

/** The places in a run's folder; nothing is read or written. */
const runFolder = (root: string): RunFolder => ({
  root,
  config: join(root, 'config.yaml'),
  metrics: join(root, 'metrics.jsonl'),
  checkpoints: join(root, 'checkpoints'),
  previews: join(root, 'previews'),
  events: join(root, 'events'),
});

/**
 * Makes a run's folder and writes its config. Throws if the folder has anything in it, unless `overwrite` is set and it
 * is an earlier run, whose files are then removed.
 */
export function createRunFolder(root: string, config: RunConfig, { overwrite = false } = {}): RunFolder {
  const folder = runFolder(root);
  if (existsSync(root) && readdirSync(root).length > 0) {
    if (!overwrite) {
      throw new Error(
        `${root} exists: resume it with --resume, replace it with --overwrite, or choose another folder with --out`,
      );
    }
    if (!existsSync(folder.config))
      throw new Error(
        `${root} is not a run (it has no config.yaml): it is left alone; choose another folder with --out`,
      );
    for (const path of [folder.config, folder.metrics, folder.checkpoints, folder.previews, folder.events]) {
      rmSync(path, { recursive: true, force: true });
    }
  }
  for (const path of [folder.checkpoints, folder.previews, folder.events]) mkdirSync(path, { recursive: true });
  writeConfig(folder, config);
  return folder;
}

/** Writes the whole config into a run's folder: at its start, and where a resumed run changes it. */
export function writeConfig(folder: RunFolder, config: RunConfig): void {
  writeFileSync(folder.config, stringify(config));
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

/** The steps of a run so far; a torn last line, left by a kill, is ignored. */
export function readMetrics(folder: RunFolder): StepMetrics[] {
  const lines = readFileSync(folder.metrics, 'utf8').split('\n');
  return lines.slice(0, -1).map((line) => JSON.parse(line) as StepMetrics);
}
