import { appendFileSync, existsSync, readFileSync } from 'node:fs';
import { createSummaryWriter } from '@eflow/engine';
import { LOSS_TERMS } from '@eflow/flow';
import {
  forgetSteps,
  type HeldOutLosses,
  type RunFolder,
  readMetrics,
  type SkippedStep,
  type StepMeasurement,
  type StepMetrics,
} from '@eflow/run';

const CURVES = ['loss', ...LOSS_TERMS.map(({ name }) => name), 'gradNorm', 'learningRate', 'clipsPerSecond'] as const;

/**
 * Writes updates to metrics.jsonl, measurements to measurements.jsonl and held-out losses to held-out.jsonl, all to TensorBoard, too, as
 * previews are, and steps without an update to skipped.jsonl. An earlier attempt's lines of steps from `firstStep` on are removed.
 */
export async function createMetricsLog(folder: RunFolder, firstStep: number) {
  forgetSteps(folder, firstStep);
  const earlier = existsSync(folder.metrics) ? readMetrics(folder) : [];
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
    skip(step: SkippedStep) {
      appendFileSync(folder.skipped, `${JSON.stringify(step)}\n`);
    },
    measure(measurement: StepMeasurement) {
      appendFileSync(folder.measurements, `${JSON.stringify(measurement)}\n`);
      for (const name of ['frechetDistance', 'kernelDistance'] as const) {
        board.scalar(name, measurement[name], measurement.step);
      }
    },
    heldOut(losses: HeldOutLosses) {
      appendFileSync(folder.heldOut, `${JSON.stringify(losses)}\n`);
      for (const { name } of LOSS_TERMS) {
        const value = losses[name];
        if (value !== undefined) board.scalar(`heldOut/${name}`, value, losses.step);
      }
    },
    preview(png: string, step: number) {
      board.image('previews', readFileSync(png), step);
    },
    close: () => board.flush(),
  };
}

export type MetricsLog = Awaited<ReturnType<typeof createMetricsLog>>;
