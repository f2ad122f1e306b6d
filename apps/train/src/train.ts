import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { findLatestCheckpoint, pruneCheckpoints } from '@eflow/checkpoint';
import { createBatches } from '@eflow/data';
import { compile, type EngineInfo, reportMemory } from '@eflow/engine';
import { isFvd } from '@eflow/fvd';
import { writeGridPng, writeGridWebp } from '@eflow/media';
import {
  assertSameData,
  classNames,
  clipSpec,
  createSample,
  cycleLabels,
  defaultSampler,
  describeTooShort,
  openClips,
  type RunConfig,
  type RunFolder,
  readDataRecord,
  recordData,
  type Sample,
  type StepMeasurement,
  sampleClips,
  videoDiTConfig,
  writeConfig,
  writeDataRecord,
} from '@eflow/run';
import { disposeTree } from '@eflow/tensor';
import type { VideoDiTConfig } from '@eflow/video-dit';
import { MOST_IN_A_ROW } from './guard.ts';
import { createMeasure } from './measure.ts';
import { createMetricsLog } from './metrics-log.ts';
import { createProgressLine } from './progress-line.ts';
import { firstState, learningRateSchedule, loadState, saveState, type TrainState } from './state.ts';
import { createTrainStep, upload } from './train-step.ts';

export interface TrainOptions {
  /** Op by op instead of as one compiled graph. */
  eager?: boolean;
  engine: EngineInfo;
  /** Asked after every step; true ends training, with a checkpoint. */
  stopRequested: () => boolean;
}

/**
 * Trains, from the folder's newest valid checkpoint if it has one, until the config's steps or seconds are over or a stop is
 * requested. Returns how far it came. A run that is ended at any moment, and goes on, makes the same losses and weights, bit
 * for bit, as one that is not. Throws if the checkpoint is of another network or was trained on other classes or videos, if too
 * many videos are too short, and where step after step is not finite.
 */
export async function train(config: RunConfig, folder: RunFolder, options: TrainOptions) {
  const { training } = config;
  const network = videoDiTConfig(config);
  const { latest, skipped } = await findLatestCheckpoint(folder.checkpoints);
  for (const { problem } of skipped) console.error(`Left out: ${problem}`);
  const state = latest ? await loadState(latest.folder, config, network) : await firstState(config, network);
  const record = recordData(config);
  const earlier = state.data ?? readDataRecord(folder);
  if (latest && record && earlier) assertSameData(earlier, record);
  openClips(config, 'train').close?.(); // says, before anything is compiled, what does not fit
  // Only now: what does not fit the checkpoint has thrown.
  if (latest) writeConfig(folder, config);
  if (record) {
    if (latest && earlier && earlier.digest !== record.digest) {
      console.error(`Going on with other videos: those of ${record.folder} in place of ${earlier.folder}.`);
    }
    const leftOut = describeTooShort(record);
    if (leftOut) console.error(`${record.folder}: ${leftOut}`);
    writeDataRecord(folder, record);
    state.data = record;
  }
  const environment = {
    tensorflow: options.engine.tensorflowVersion,
    device: options.engine.device,
    node: process.version,
  };
  const { eager = false } = options;
  const trainStep = createTrainStep(config, network, state.unravel, { eager });
  const sampler = ({ numSteps }: { numSteps: number }) => {
    const spec = { sampler: defaultSampler(config.objective), numSteps };
    return createSample(network, config.objective, spec, eager ? undefined : compile);
  };
  const labels = cycleLabels(training.previewClips, network.numClasses);
  const preview = { sample: sampler({ numSteps: training.previewSteps }), network, labels };
  const names = classNames(folder, config);
  if (training.previewEvery > 0) {
    const what = { labels, ...(names && { classes: labels.map((label) => names[label]) }) };
    writeFileSync(join(folder.previews, 'labels.json'), `${JSON.stringify(what, null, 2)}\n`);
  }
  const measure =
    config.measurement.every > 0
      ? await createMeasure(config, network, sampler(config.measurement), record)
      : undefined;
  const learningRate = learningRateSchedule(config);
  const log = await createMetricsLog(folder, state.step);
  const batches = createBatches(clipSpec(config, 'train'), {
    batchSize: training.batchSize,
    firstBatch: state.step,
  });
  const progress = createProgressLine(training.steps, training.maxSeconds);

  const save = async () => {
    await saveState(folder, config, state, environment);
    await pruneCheckpoints(folder.checkpoints, {
      keepLast: training.keepCheckpoints,
      ...(training.milestoneEvery && { milestoneEvery: training.milestoneEvery }),
    });
  };
  if (!latest) await save();
  const began = performance.now() - 1000 * log.earlierSeconds;
  const secondsNow = () => (performance.now() - began) / 1000;
  let savedAt = log.earlierSeconds;
  let savedStep = state.step;
  try {
    while (state.step < training.steps && secondsNow() < (training.maxSeconds ?? Number.POSITIVE_INFINITY)) {
      const start = performance.now();
      const next = await batches.next();
      const batch = upload(next, config.data);
      const loaded = performance.now();
      const { step } = state;
      const { skipped: reason, ...losses } = trainStep(state, batch);
      disposeTree([batch.data, batch.condition]);
      const stepSeconds = (performance.now() - start) / 1000;
      const { numTensors, residentBytes } = reportMemory();
      const metrics = {
        step,
        seconds: secondsNow(),
        ...losses,
        learningRate: learningRate(step),
        stepSeconds,
        dataSeconds: (loaded - start) / 1000,
        clipsPerSecond: training.batchSize / stepSeconds,
        numTensors,
        residentBytes,
      };
      if (reason === undefined) {
        log.add(metrics);
        progress.update(metrics, log.earlierSeconds);
      } else {
        const samples: [number, number] = [step * training.batchSize, (step + 1) * training.batchSize - 1];
        log.skip({ step, reason, samples });
        const what = `step ${step}: ${reason}; no weight was changed (samples ${samples.join(' to ')})`;
        if (state.guard.notFiniteInARow === MOST_IN_A_ROW) {
          throw new Error(
            `${what}. That was the ${MOST_IN_A_ROW}rd step in a row: lower optimizer.learningRate and go on from the last checkpoint`,
          );
        }
        console.error(`\n${what}`);
      }
      await setImmediate(); // a training step blocks the event loop: let signals in
      if (training.previewEvery > 0 && state.step % training.previewEvery === 0)
        await writePreview(config, folder, preview, state);
      if (measure && state.step % config.measurement.every === 0) {
        const measurement = await measure(state, secondsNow());
        log.measure(measurement);
        console.log(`\n${describeMeasurement(measurement)}`);
      }
      if (options.stopRequested()) break;
      if (secondsNow() - savedAt >= training.checkpointEverySeconds) {
        await save();
        savedAt = secondsNow();
        savedStep = state.step;
      }
    }
    if (state.step > savedStep) await save();
    return { step: state.step, seconds: secondsNow(), skipped: state.guard.skipped };
  } finally {
    progress.stop();
    log.close();
    await batches.close();
  }
}

/** Throws where a new run of this config would fail before its first step, for the usual reasons: its data or initial weights. */
export async function checkStart(config: RunConfig): Promise<void> {
  recordData(config);
  openClips(config, 'train').close?.();
  const { weights } = await firstState(config, videoDiTConfig(config));
  disposeTree(weights);
}

const describeMeasurement = ({
  step,
  frechetDistance,
  kernelDistance,
  kernelStandardError,
  protocol,
  data,
}: StepMeasurement) =>
  `step ${step}: ${isFvd(protocol) ? 'FVD' : 'Frechet distance (not FVD)'} ${frechetDistance.toPrecision(4)}, ` +
  `kernel distance ${kernelDistance.toPrecision(3)} +- ${kernelStandardError.toPrecision(2)} ` +
  `(${protocol.numGenerated} generated against ${protocol.numReal} real clips, ${protocol.extractor}${data && data.tooShort > 0 ? `; ${data.tooShort} of ${data.videos} videos are too short for a clip` : ''})`;

/** A grid sampled from the EMA parameters, as a still and as a movie; labels.json beside it says what each clip was asked to be. */
async function writePreview(
  config: RunConfig,
  folder: RunFolder,
  { sample, network, labels }: { sample: Sample; network: VideoDiTConfig; labels: number[] },
  { weights, unravel, step }: TrainState,
): Promise<void> {
  const params = unravel(weights.ema);
  const clips = sampleClips(sample, params, network, {
    clip: config.data,
    labels,
    seed: config.seed,
  });
  disposeTree(params);
  const file = join(folder.previews, `step-${String(step).padStart(6, '0')}`);
  await writeGridPng(`${file}.png`, clips, { frames: 'strip', scale: 2 });
  await writeGridWebp(`${file}.webp`, clips, { scale: 4 });
}
