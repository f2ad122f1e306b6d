import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describeMachine, type Machine, mean, median } from '@eflow/cli';
import { LOSS_TERMS } from '@eflow/flow';
import type { Measurement } from '@eflow/measure';
import { openRunFolder, type RunConfig, readMetrics, readSkipped, type StepMetrics } from '@eflow/run';
import { sync as writeFileAtomically } from 'write-file-atomic';
import { measureStability, type Stability } from './stability.ts';
import type { Cell, Measure } from './study.ts';

/** Steps and seconds at a run's start that speeds leave out: there graphs are compiled, and memory and caches settle. */
const SETTLING = { steps: 2, seconds: 3 };
/** Share of the steps, at the end, that final losses are means of. */
const FINAL = 0.1;

/** A finished cell: the content of its cell.json. */
export interface CellRecord extends Training {
  base: string;
  name: string;
  seed: number;
  config: RunConfig;
  /** Absent from records of older versions. */
  stability?: Stability;
  evaluations: Evaluation[];
  evaluationSeconds: number;
  environment: Environment;
}

/** A cell that could not be finished, in the place of its record. */
export interface FailedCell extends Pick<CellRecord, 'base' | 'name' | 'seed' | 'config' | 'environment'> {
  error: string;
}

export interface Training {
  /** Steps made, and seconds of training in all. */
  steps: number;
  seconds: number;
  /** Median of a step. */
  stepSeconds: number;
  clipsPerSecond: number;
  /** Mean squares of the residuals that the objective has. */
  losses: Record<string, number>;
}

/** What `evaluate` wrote of one checkpoint, as far as it is read here. */
export interface Evaluation {
  measure: Measure;
  /** The folder of its grids, in the run's. */
  folder: string;
  sampling: { sampler: string; seed: number };
  real: Measured & { grid: string };
  results: Result[];
}

export type Protocol = Measurement['protocol'];

/** How good clips are; the distance is not FVD. */
export type Figures = Pick<Measurement, 'frechetDistance' | 'classAccuracy' | 'frameConsistency' | 'factors'>;

type Measured = Figures & Pick<Measurement, 'protocol'>;

export interface Result extends Measured {
  numSteps: number;
  /** Full network passes of one sample, and passes of the weak path. */
  nfe: number;
  weakNfe: number;
  grid: string;
}

/** An evaluation from before every measurement had one protocol. */
export interface EarlierEvaluation extends Pick<Evaluation, 'measure' | 'folder'> {
  protocol: {
    extractorSha256: string;
    covariance: Protocol['covarianceRule'];
    realClips: number;
    generatedClips: number;
    sampler: string;
    seed: number;
  };
  real: Figures & { grid: string };
  results: Omit<Result, 'protocol'>[];
}

/** The evaluation as it is written now; earlier ones were all of moving digits, of the frames that their config says. */
export function upgradeEvaluation(read: Evaluation | EarlierEvaluation, { data }: RunConfig): Evaluation {
  if (!('protocol' in read)) return read;
  const { protocol: earlier, real, results, measure, folder } = read;
  const protocol: Protocol = {
    extractor: 'moving-digits classifier',
    weightsSha256: earlier.extractorSha256,
    feature: 'features',
    numFrames: data.numFrames,
    frameStride: 1,
    covarianceRule: earlier.covariance,
    numReal: earlier.realClips,
    numGenerated: earlier.generatedClips,
    realDraw: { of: earlier.realClips, start: 'first' },
    generatedDraw: { of: earlier.generatedClips, start: 'first' },
    split: 'held-out',
  };
  return {
    measure,
    folder,
    sampling: { sampler: earlier.sampler, seed: earlier.seed },
    real: { ...real, protocol },
    results: results.map((result) => ({ ...result, protocol })),
  };
}

export interface Environment extends Required<Machine> {
  tensorflow: string;
  /** Files were changed since the commit. */
  dirty: boolean;
}

export const formatEnvironment = ({ cpu, cores, tensorflow, node, commit, dirty }: Environment): string =>
  `${cpu}, ${cores} cores; TensorFlow ${tensorflow}, Node.js ${node}; commit ${commit}${dirty ? ' and changes to it' : ''}`;

export const isFinished = (record: CellRecord | FailedCell | undefined): record is CellRecord =>
  record !== undefined && !('error' in record);

/** The folder of a cell in a study's, and the run in it. */
export const cellFolder = (study: string, { id }: Cell): string => join(study, 'cells', id);
export const runOf = (folder: string): string => join(folder, 'run');

/** What is known of a cell; undefined before its first end. */
export function readRecord(folder: string): CellRecord | FailedCell | undefined {
  const file = join(folder, 'cell.json');
  if (!existsSync(file)) return undefined;
  const record: CellRecord | FailedCell = JSON.parse(readFileSync(file, 'utf8'));
  if (!isFinished(record)) return record;
  return { ...record, evaluations: record.evaluations.map((one) => upgradeEvaluation(one, record.config)) };
}

/** Whole or not at all. */
export function writeRecord(folder: string, record: CellRecord | FailedCell): void {
  writeFileAtomically(join(folder, 'cell.json'), `${JSON.stringify(record, null, 2)}\n`);
}

/** What a run's metrics say of it. */
export function readTraining(run: string): Training & { stability: Stability } {
  const { folder, config } = openRunFolder(run);
  const metrics = readMetrics(folder);
  return {
    ...summariseTraining(metrics, config.training.batchSize),
    stability: measureStability(metrics, readSkipped(folder)),
  };
}

/** Throws on no steps. */
export function summariseTraining(metrics: StepMetrics[], batchSize: number): Training {
  const last = metrics.at(-1);
  if (!last) throw new Error('summariseTraining: no steps; expected those of a trained run');
  const settled = metrics.slice(SETTLING.steps);
  const late = settled.filter(({ seconds, stepSeconds }) => seconds - stepSeconds >= SETTLING.seconds);
  const timed = [late, settled, metrics].find((steps) => steps.length > 0)!;
  const stepSeconds = median(timed.map((step) => step.stepSeconds));
  const final = metrics.slice(-Math.ceil(FINAL * metrics.length));
  const terms = LOSS_TERMS.map(({ name }) => name).filter((name) => last[name] !== undefined);
  return {
    steps: last.step + 1,
    seconds: last.seconds,
    stepSeconds,
    clipsPerSecond: batchSize / stepSeconds,
    losses: Object.fromEntries(terms.map((term) => [term, mean(final.map((step) => step[term]!))])),
  };
}

/** Where this process runs, and the TensorFlow that `run`'s newest checkpoint was written with. */
export function readEnvironment(run: string): Environment {
  const checkpoints = join(run, 'checkpoints');
  const newest = existsSync(checkpoints) && readdirSync(checkpoints).filter(isCheckpoint).sort().at(-1);
  const manifest = newest && JSON.parse(readFileSync(join(checkpoints, newest, 'manifest.json'), 'utf8'));
  const { commit = 'unknown', ...machine } = describeMachine();
  return {
    ...machine,
    tensorflow: manifest ? manifest.environment.tensorflow : 'unknown',
    commit: commit.replace(/-dirty$/, ''),
    dirty: commit.endsWith('-dirty'),
  };
}

export const isCheckpoint = (name: string): boolean => /^step-\d+$/.test(name);
