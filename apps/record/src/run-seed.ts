import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { appFile, endOf, median, Stopped, startNode } from '@eflow/cli';
import type { Entry, Figures, SeedResult } from '@eflow/record';
import { openRunFolder, readMetrics } from '@eflow/run';

/** What `evaluate` wrote, as far as it is read here. */
interface Evaluation {
  real: Figures & Pick<Entry, 'protocol'>;
  results: (Figures & { step: number; seconds: number; nfe: number; weakNfe: number })[];
}

/** Whether the run in a folder was trained and measured. */
export const isMeasured = (run: string): boolean => existsSync(evaluationOf(run));

const evaluationOf = (run: string) => join(run, 'record.json');

/**
 * Trains a config into the folder `run`, from where an earlier attempt was ended, and measures it in 1, 2, 4 and 8 passes. The children
 * use this terminal. Throws `Stopped` after Ctrl-C, and where one of them fails.
 */
export async function runSeed(run: string, config: readonly string[]): Promise<void> {
  await runApp('train', [...config, '--out', run]);
  await runApp('evaluate', [run, '--last', '--steps', '1,2,4,8', '--out', 'record']);
}

async function runApp(name: string, args: readonly string[]): Promise<void> {
  const { code, isStopped } = await endOf(startNode(appFile(name), args, 'inherit'));
  if (isStopped) throw new Stopped(`${name} was stopped`);
  if (code !== 0) throw new Error(`${name} failed, as it says above; once that is mended, run the same again to go on`);
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
