import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { createBatches } from '@eflow/data';
import { compile, type EngineInfo, reportMemory } from '@eflow/engine';
import { writeGridPng, writeGridWebp } from '@eflow/media';
import {
  createSample,
  cycleLabels,
  defaultSampler,
  movingDigitsSpec,
  type RunConfig,
  type RunFolder,
  type Sample,
  sampleClips,
  videoDiTConfig,
  writeConfig,
} from '@eflow/run';
import { disposeTree } from '@eflow/tensor';
import type { VideoDiTConfig } from '@eflow/video-dit';
import { createMetricsLog } from './metrics-log.ts';
import { createProgressLine } from './progress-line.ts';
import { initState, learningRateSchedule, loadState, saveState, type TrainState } from './state.ts';
import { createTrainStep, upload } from './train-step.ts';

export interface TrainOptions {
  resume: boolean;
  /** Op by op instead of as one compiled graph. */
  eager?: boolean;
  engine: EngineInfo;
  /** Asked after every step; true ends training, with a checkpoint. */
  stopRequested: () => boolean;
}

/** Trains until the config's steps or seconds are over, or a stop is requested. Returns how far it came. */
export async function train(config: RunConfig, folder: RunFolder, options: TrainOptions) {
  const { training } = config;
  const network = videoDiTConfig(config);
  const state = options.resume ? await loadState(folder, config, network) : initState(config, network);
  if (options.resume) writeConfig(folder, config); // only now: a change that does not fit the checkpoint has thrown
  const environment = {
    tensorflow: options.engine.tensorflowVersion,
    device: options.engine.device,
    node: process.version,
  };
  const { eager = false } = options;
  const trainStep = createTrainStep(config, network, state.unravel, { eager });
  const previewSample = createSample(network, config.objective, {
    sampler: defaultSampler(config.objective),
    numSteps: training.previewSteps,
  });
  const preview = { sample: eager ? previewSample : compile(previewSample), network };
  const learningRate = learningRateSchedule(config);
  const log = await createMetricsLog(folder, state.step);
  const batches = createBatches(movingDigitsSpec(config, 'train'), {
    batchSize: training.batchSize,
    firstBatch: state.step,
  });
  const progress = createProgressLine(training.steps, training.maxSeconds);

  if (!options.resume) await saveState(folder, config, state, environment);
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
      const losses = trainStep(state, batch);
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
      log.add(metrics);
      progress.update(metrics, log.earlierSeconds);
      await setImmediate(); // a training step blocks the event loop: let signals in
      if (options.stopRequested()) break;
      if (training.previewEvery > 0 && state.step % training.previewEvery === 0)
        await writePreview(config, folder, preview, state);
      if (secondsNow() - savedAt >= training.checkpointEverySeconds) {
        await saveState(folder, config, state, environment);
        savedAt = secondsNow();
        savedStep = state.step;
      }
    }
    if (state.step > savedStep) await saveState(folder, config, state, environment);
    return { step: state.step, seconds: secondsNow() };
  } finally {
    progress.stop();
    log.close();
    await batches.close();
  }
}

/** A grid sampled from the EMA parameters, as a still and as a movie. */
async function writePreview(
  config: RunConfig,
  folder: RunFolder,
  { sample, network }: { sample: Sample; network: VideoDiTConfig },
  { weights, unravel, step }: TrainState,
): Promise<void> {
  const params = unravel(weights.ema);
  const clips = sampleClips(sample, params, network, {
    clip: config.data,
    labels: cycleLabels(config.training.previewClips, network.numClasses),
    seed: config.seed,
  });
  disposeTree(params);
  const file = join(folder.previews, `step-${String(step).padStart(6, '0')}`);
  await writeGridPng(`${file}.png`, clips, { frames: 'strip', scale: 2 });
  await writeGridWebp(`${file}.webp`, clips, { scale: 4 });
}
