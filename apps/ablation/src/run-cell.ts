import { appendFileSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { appFile, formatClock, percent, runNode, Stopped } from '@eflow/cli';
import { findDifferences, openRunFolder, type RunConfig } from '@eflow/run';
import type { Plan } from './plan.ts';
import {
  type CellRecord,
  type Evaluation,
  type FailedCell,
  isCheckpoint,
  readEnvironment,
  readTraining,
  runOf,
  upgradeEvaluation,
  writeRecord,
} from './results.ts';
import type { Measure } from './study.ts';

/** What the children of a cell print. */
export const logOf = (folder: string): string => join(folder, 'log.txt');

/** Runs another app as its user would; what it prints is appended to the cell's log. */
function runApp(name: string, args: readonly string[], folder: string): Promise<string> {
  const keep = (text: string) => appendFileSync(logOf(folder), text);
  keep(`\n$ ${name} ${args.join(' ')}\n`);
  return runNode(appFile(name), args, keep);
}

const POLL_MS = 1000;

/** Told what a cell does, in a few words, and whether that has just begun. */
type OnState = (state: string, isNew: boolean) => void;

/**
 * Trains a cell and measures it, from where an earlier attempt in `folder` was ended. Its record, or its failure, is kept
 * there as cell.json, and what the children print as log.txt. Throws `Stopped` after Ctrl-C.
 */
export async function runCell(plan: Plan, folder: string, onState: OnState): Promise<CellRecord | FailedCell> {
  const { base, name, seed, config } = plan;
  const run = runOf(folder);
  mkdirSync(folder, { recursive: true });
  try {
    await trainCell(plan, folder, onState);
    if (plan.measures.length > 0) onState('evaluating', true);
    const start = performance.now();
    const evaluations: Evaluation[] = [];
    for (const measure of plan.measures) evaluations.push(await evaluate(folder, config, measure));
    const evaluationSeconds = (performance.now() - start) / 1000;
    const training = readTraining(run);
    const record = { base, name, seed, ...training, evaluations, evaluationSeconds };
    return keep({ ...record, environment: readEnvironment(run), config });
  } catch (error) {
    if (error instanceof Stopped) throw error;
    return keep({ base, name, seed, error: (error as Error).message, environment: readEnvironment(run), config });
  }

  function keep<Kept extends CellRecord | FailedCell>(record: Kept): Kept {
    writeRecord(folder, record);
    return record;
  }
}

async function trainCell(plan: Plan, folder: string, onState: OnState): Promise<void> {
  const run = runOf(folder);
  const checkpoints = join(run, 'checkpoints');
  const goesOn = existsSync(checkpoints) && readdirSync(checkpoints).some(isCheckpoint);
  if (!goesOn) rmSync(run, { recursive: true, force: true });
  const args = goesOn ? ['--resume', run] : [plan.source, ...plan.overrides, '--out', run];
  const report = (isNew: boolean) => onState(describeTraining(run, plan.config), isNew);
  report(true);
  const timer = setInterval(report, POLL_MS, false);
  try {
    await runApp('train', args, folder);
  } finally {
    clearInterval(timer);
  }
}

/** The measures of a trained run; those that an earlier attempt has finished are read. */
async function evaluate(cell: string, config: RunConfig, measure: Measure): Promise<Evaluation> {
  const run = runOf(cell);
  const { sampler, steps, clips, grid, guidance, guidanceScale } = measure;
  const flag = (name: string, value: unknown) => (value === undefined ? [] : [`--${name}`, String(value)]);
  const flags = [
    ...[...flag('steps', steps.join(',')), ...flag('clips', clips), ...flag('sampler', sampler)],
    ...[...flag('grid', grid), ...flag('guidance', guidance), ...flag('guidance-scale', guidanceScale)],
  ];
  const folder = ['measure', ...flags.filter((_, i) => i % 2 === 1)].join('-').replace(/[^\w.-]+/g, '_');
  const file = join(run, `${folder}.json`);
  if (!existsSync(file)) await runApp('evaluate', [run, '--last', '--out', folder, ...flags], cell);
  return upgradeEvaluation({ measure, folder, ...JSON.parse(readFileSync(file, 'utf8')) }, config);
}

/** How far a run is, by the last whole line of its metrics: in steps, or in seconds where they end it sooner. */
function describeTraining(run: string, { training }: RunConfig): string {
  const file = join(run, 'metrics.jsonl');
  const last = existsSync(file) && readFileSync(file, 'utf8').split('\n').at(-2);
  const { step, seconds } = last ? JSON.parse(last) : { step: -1, seconds: 0 };
  const most = Math.max((step + 1) / training.steps, seconds / (training.maxSeconds ?? Number.POSITIVE_INFINITY));
  const share = Math.min(1, most);
  return `training ${percent(share)} (${formatClock((seconds * (1 - share)) / share)})`;
}

/** The values in which the run in a cell's folder differs from the plan; none where there is no run. */
export function findChanges(plan: Plan, folder: string): string[] {
  const run = runOf(folder);
  if (!existsSync(join(run, 'config.yaml'))) return [];
  return findDifferences(openRunFolder(run).config, plan.config).map(
    ({ key, before, after }) => `${key} is ${before} there and ${after} in the study`,
  );
}
