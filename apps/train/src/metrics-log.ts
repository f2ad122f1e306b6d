import { appendFileSync, existsSync, writeFileSync } from 'node:fs';
import { createSummaryWriter } from '@eflow/engine';
import { type RunFolder, readMetrics, type StepMetrics } from '@eflow/run';

const CURVES = [
  'loss',
  'velocityLoss',
  'solutionLoss',
  'additivityLoss',
  'meanVelocityLoss',
  'gradNorm',
  'learningRate',
  'clipsPerSecond',
] as const;

/** Writes each step to metrics.jsonl and to TensorBoard. Steps from `firstStep` on, of an earlier attempt, are removed. */
export async function createMetricsLog(folder: RunFolder, firstStep: number) {
  const earlier = existsSync(folder.metrics) ? readMetrics(folder).filter(({ step }) => step < firstStep) : [];
  writeFileSync(folder.metrics, earlier.map((metrics) => `${JSON.stringify(metrics)}\n`).join(''));
  const board = await createSummaryWriter(folder.events);
  return {
    /** Seconds of training that earlier attempts took. */
    earlierSeconds: earlier.at(-1)?.seconds ?? 0,
    add(metrics: StepMetrics) {
      appendFileSync(folder.metrics, `${JSON.stringify(metrics)}\n`);
      for (const name of CURVES) {
        const value = metrics[name];
        if (value !== undefined) board.scalar(name, value, metrics.step);
      }
    },
    close: () => board.flush(),
  };
}
