import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { countOf } from '@eflow/cli';
import { openRunFolder, readMetrics, type StepMetrics } from '@eflow/run';
import { sync as writeFileAtomically } from 'write-file-atomic';
import { runApp } from './run-app.ts';

/** Steps at a run's start that are slower than others, as the first compiles, and steps after these that are timed. */
const SETTLING_STEPS = 5;
const TIMED_STEPS = 100;
/** The share of the minutes that steps are planned for. */
const FILLED = 0.97;

/** How fast a config trains on this machine, by the clock of training. */
export interface Pace {
  /** Seconds of the first five steps. */
  settlingSeconds: number;
  /** Mean of each later step, with all that happens between two of them. */
  stepSeconds: number;
}

/**
 * The pace of a config, measured by 105 steps of `train` in a process of its own. It is kept in `folder`, so that all seeds make the
 * same steps.
 */
export async function measurePace(folder: string, config: readonly string[]): Promise<Pace> {
  const file = join(folder, 'pace.json');
  if (existsSync(file)) return JSON.parse(readFileSync(file, 'utf8'));
  const run = join(folder, 'pace');
  const limits = [`training.steps=${SETTLING_STEPS + TIMED_STEPS}`, 'training.maxSeconds=null'];
  console.log(`Timing a step of training by ${SETTLING_STEPS + TIMED_STEPS} of them.`);
  await runApp('train', [...config, ...limits, '--out', run, '--overwrite']);
  const pace = paceOf(readMetrics(openRunFolder(run).folder));
  writeFileAtomically(file, `${JSON.stringify(pace, null, 2)}\n`);
  return pace;
}

/** The pace of a run of more than five steps. */
export function paceOf(metrics: readonly StepMetrics[]): Pace {
  const settled = metrics[SETTLING_STEPS - 1]!;
  const last = metrics.at(-1)!;
  return {
    settlingSeconds: settled.seconds,
    stepSeconds: (last.seconds - settled.seconds) / (last.step - settled.step),
  };
}

/** The steps that fit into some seconds of training, with a margin of 3 %. Throws where hardly one does. */
export function stepsWithin(seconds: number, { settlingSeconds, stepSeconds }: Pace): number {
  const steps = SETTLING_STEPS + Math.floor((FILLED * seconds - settlingSeconds) / stepSeconds);
  if (steps >= SETTLING_STEPS) return steps;
  throw new Error(
    `${seconds} seconds of training are too few: the first ${countOf(SETTLING_STEPS, 'step')} take ${settlingSeconds.toFixed(1)} s here, most of it to compile; give more with --minutes`,
  );
}
