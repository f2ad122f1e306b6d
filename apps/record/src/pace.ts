import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { median } from '@eflow/cli';
import { openRunFolder, readMetrics, type StepMetrics } from '@eflow/run';
import { sync as writeFileAtomically } from 'write-file-atomic';
import { runApp } from './run-app.ts';

/** Steps that are timed, over which the schedules run from their beginning to their end. The first hundred are a little slower. */
const TIMED_STEPS = 500;
/** A step that takes so many times the median compiles a graph. */
const COMPILES = 5;
/** The share of the minutes that steps are planned for. */
const FILLED = 0.95;

/** How fast a config trains on this machine, by the clock of training. */
export interface Pace {
  /** What the steps that compile take besides a step. */
  compileSeconds: number;
  /** Mean of a step, with all that happens between two of them. */
  stepSeconds: number;
}

/**
 * The pace of a config, measured by 500 steps of `train` in a process of its own. It is kept in `folder`, so that all seeds make the
 * same steps.
 */
export async function measurePace(folder: string, config: readonly string[]): Promise<Pace> {
  const file = join(folder, 'pace.json');
  if (existsSync(file)) return JSON.parse(readFileSync(file, 'utf8'));
  const run = join(folder, 'pace');
  const trainSteps = (steps: number) =>
    runApp('train', [...config, `training.steps=${steps}`, 'training.maxSeconds=null', '--out', run, '--overwrite']);
  console.log(`Timing a step of training by ${TIMED_STEPS} of them, after two that load its libraries.`);
  await trainSteps(2); // reading these from the disk takes ten seconds, which no later run pays
  await trainSteps(TIMED_STEPS);
  const pace = paceOf(readMetrics(openRunFolder(run).folder));
  writeFileAtomically(file, `${JSON.stringify(pace, null, 2)}\n`);
  return pace;
}

/** The pace of a run. */
export function paceOf(metrics: readonly StepMetrics[]): Pace {
  const intervals = metrics.map(({ seconds }, step) => seconds - (metrics[step - 1]?.seconds ?? 0));
  const usual = median(intervals);
  const compiling = intervals.filter((interval) => interval > COMPILES * usual);
  const compileSeconds = compiling.reduce((sum, interval) => sum + interval - usual, 0);
  return { compileSeconds, stepSeconds: (metrics.at(-1)!.seconds - compileSeconds) / metrics.length };
}

/** The steps that fit into some seconds of training, with a margin of 5 %. Throws where none does. */
export function stepsWithin(seconds: number, { compileSeconds, stepSeconds }: Pace): number {
  const steps = Math.floor((FILLED * seconds - compileSeconds) / stepSeconds);
  if (steps > 0) return steps;
  throw new Error(
    `${seconds} seconds of training are too few: to compile takes ${compileSeconds.toFixed(1)} s here; give more with --minutes`,
  );
}
