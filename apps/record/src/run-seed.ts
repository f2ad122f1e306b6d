import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { median } from '@eflow/cli';
import type { Entry, Figures, SeedResult } from '@eflow/record';
import { openRunFolder, readMetrics } from '@eflow/run';
import { runApp } from './run-app.ts';

/** What `evaluate` wrote, as far as it is read here. */
interface Evaluation {
  real: Figures & Pick<Entry, 'protocol'>;
  results: (Figures & { step: number; seconds: number; nfe: number; weakNfe: number })[];
}

/** Whether the run in a folder was trained and measured. */
export const isMeasured = (run: string): boolean => existsSync(evaluationOf(run));

const evaluationOf = (run: string) => join(run, 'record.json');

/**
 * Trains a config into the folder `run`, from where an earlier attempt was ended, and measures it in 1, 2, 4 and 8 passes.
 * Throws as `runApp` does.
 */
export async function runSeed(run: string, config: readonly string[]): Promise<void> {
  await runApp('train', [...config, '--out', run]);
  await runApp('evaluate', [run, '--last', '--steps', '1,2,4,8', '--out', 'record']);
}

/** What is known of a measured seed, and what it was measured by. */
export function readSeed(run: string): { result: SeedResult } & Pick<Entry, 'protocol'> {
  const { real, results }: Evaluation = JSON.parse(readFileSync(evaluationOf(run), 'utf8'));
  const { folder, config } = openRunFolder(run);
  const { step, seconds } = results[0]!;
  const result = {
    seed: config.seed,
    steps: step,
    seconds,
    stepSeconds: median(readMetrics(folder).map(({ stepSeconds }) => stepSeconds)),
    scores: results.map(({ nfe, weakNfe, ...figures }) => ({ passes: nfe + weakNfe, ...figuresOf(figures) })),
    real: figuresOf(real),
  };
  return { result, protocol: real.protocol };
}

const figuresOf = ({ frechetDistance, classAccuracy, frameConsistency }: Figures): Figures => ({
  frechetDistance,
  classAccuracy,
  frameConsistency,
});
