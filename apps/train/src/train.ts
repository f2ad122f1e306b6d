import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { findLatestCheckpoint, pruneCheckpoints } from '@eflow/checkpoint';
import { createBatches, datasetSpec } from '@eflow/data';
import { compile, type EngineInfo, reportMemory } from '@eflow/engine';
import { isFvd } from '@eflow/fvd';
import { describeExtractor } from '@eflow/measure';
import { writeGridPng, writeGridWebp } from '@eflow/media';
import {
  askEvenly,
  assertSameData,
  classNames,
  createSample,
  defaultSampler,
  describeLeftOut,
  findBestStep,
  openClips,
  type RunConfig,
  type RunFolder,
  readDataRecord,
  recordData,
  type SampleFunction,
  type SkippedStep,
  type StepMeasurement,
  type StepMetrics,
  sampleClips,
  videoDiTConfig,
  writeConfig,
  writeDataRecord,
} from '@eflow/run';
import { disposeTree } from '@eflow/tensor';
import { disposeState, emaParams, MOST_IN_A_ROW } from '@eflow/train';
import type { FullVideoDiTConfig } from '@eflow/video-dit';
import { createHeldOutLoss } from './held-out-loss.ts';
import { createMeasure } from './measure.ts';
import { createMetricsLog, type MetricsLog } from './metrics-log.ts';
import { createProgressLine, describeTerms } from './progress-line.ts';
import { firstState, learningRateSchedule, loadState, type RunState, saveState } from './state.ts';
import { createRunStep, upload } from './train-step.ts';

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
export async function train(config: RunConfig, folder: RunFolder, { eager, engine, stopRequested }: TrainOptions) {
  const { training } = config;
  const network = videoDiTConfig(config);
  const { state, isNew, record } = await openState(config, folder, network);
  const trainStep = createRunStep(config, network, { eager });
  const sampler = (numSteps: number) => {
    const spec = { sampler: defaultSampler(config.objective), numSteps };
    return createSample(network, config.objective, spec, eager ? undefined : compile);
  };
  const writePreview = openPreviews(config, folder, network, sampler(training.previewSteps));
  const measure =
    config.measurement.every > 0
      ? await createMeasure(config, network, sampler(config.measurement.numSteps), record)
      : undefined;
  const heldOut = config.measurement.heldOutEvery > 0 ? createHeldOutLoss(config, network, { eager }) : undefined;
  const learningRate = learningRateSchedule(config);
  const log = await createMetricsLog(folder, state.step);
  const batches = createBatches(datasetSpec(config.data, 'train', config.seed), {
    batchSize: training.batchSize,
    firstBatch: state.step,
  });
  const progress = createProgressLine(training.steps, training.maxSeconds);
  const checkpoints = openCheckpoints(config, folder, engine, { step: state.step, seconds: log.earlierSeconds });
  if (isNew) await checkpoints.save(state, log.earlierSeconds);
  const clock = startClock(log.earlierSeconds);
  try {
    while (state.step < training.steps && clock.seconds() < (training.maxSeconds ?? Number.POSITIVE_INFINITY)) {
      const { step } = state;
      const start = performance.now();
      const batch = upload(network, await batches.next());
      const dataSeconds = (performance.now() - start) / 1000;
      const { skipped, ...losses } = trainStep(state, batch);
      disposeTree(batch);
      const stepSeconds = (performance.now() - start) / 1000;

      if (skipped === undefined) {
        const { numTensors, residentBytes } = reportMemory();
        const metrics: StepMetrics = {
          step,
          seconds: clock.seconds(),
          ...losses,
          learningRate: learningRate(step),
          stepSeconds,
          dataSeconds,
          clipsPerSecond: training.batchSize / stepSeconds,
          numTensors,
          residentBytes,
        };
        log.add(metrics);
        progress.update(metrics, log.earlierSeconds);
      } else {
        const [first, last] = [step * training.batchSize, (step + 1) * training.batchSize - 1]; // in the order of the data
        leaveOut({ step, reason: skipped, samples: [first, last] }, state, log);
      }
      await setImmediate(); // a training step blocks the event loop: let signals in

      if (isDue(training.previewEvery, state)) log.preview(await writePreview(state), state.step);
      if (heldOut && isDue(config.measurement.heldOutEvery, state)) {
        const losses = heldOut.measure(state, clock.seconds());
        log.heldOut(losses);
        console.log(`\nstep ${losses.step}: held-out losses ${describeTerms(losses)} (${losses.clips} clips)`);
      }
      if (measure && isDue(config.measurement.every, state)) {
        const measurement = await measure(state, clock.seconds());
        log.measure(measurement);
        console.log(`\n${describeMeasurement(measurement)}`);
      }
      await checkpoints.saveIfBest(state, clock.seconds());
      if (stopRequested()) break;
      await checkpoints.saveIfDue(state, clock.seconds());
    }
    await checkpoints.saveIfNewer(state, clock.seconds());
    return { step: state.step, seconds: clock.seconds(), skipped: state.guard.skipped };
  } finally {
    progress.stop();
    log.close();
    heldOut?.close();
    await batches.close();
  }
}

/**
 * The state that training goes on from, or a new one, once config, data and checkpoint are seen to go together; only then is
 * anything in the folder changed.
 */
async function openState(config: RunConfig, folder: RunFolder, network: FullVideoDiTConfig) {
  const { latest, skipped } = await findLatestCheckpoint(folder.checkpoints);
  for (const { problem } of skipped) console.error(`Left out: ${problem}`);
  const state = latest ? await loadState(latest, config, network) : await firstState(config, network);
  const record = recordData(config);
  const earlier = latest && (state.data ?? readDataRecord(folder));
  if (record && earlier) assertSameData(earlier, record);
  openClips(config, 'train').close?.(); // says, before anything is compiled, what does not fit
  if (latest) writeConfig(folder, config);
  if (record) {
    if (earlier && earlier.digest !== record.digest) {
      console.error(`Going on with other videos: those of ${record.folder} in place of ${earlier.folder}.`);
    }
    const leftOut = describeLeftOut(record);
    if (leftOut) console.error(`${record.folder}: ${leftOut}`);
    writeDataRecord(folder, record);
    state.data = record;
  }
  return { state, isNew: !latest, record };
}

/** The seconds of training, those of earlier attempts included. */
function startClock(earlierSeconds: number) {
  const began = performance.now() - 1000 * earlierSeconds;
  return { seconds: () => (performance.now() - began) / 1000 };
}

/** How far training was when it last wrote a checkpoint. */
type Saved = { step: number; seconds: number };

/** Writes checkpoints of a run, when the config says that one is due, and removes those that need not be kept. */
function openCheckpoints(config: RunConfig, folder: RunFolder, engine: EngineInfo, saved: Saved) {
  const { checkpointEverySeconds, keepCheckpoints, milestoneEvery, keepBest } = config.training;
  const { every, heldOutEvery } = config.measurement;
  const environment = { tensorflow: engine.tensorflowVersion, device: engine.device, node: process.version };
  let last = saved;
  const save = async (state: RunState, seconds: number) => {
    await saveState(folder, config, state, environment);
    const keepStep = keepBest && findBestStep(folder, keepBest);
    await pruneCheckpoints(folder.checkpoints, {
      keepLast: keepCheckpoints,
      ...(milestoneEvery !== undefined && { milestoneEvery }),
      ...(keepStep !== undefined && { keepStep }),
    });
    last = { step: state.step, seconds };
  };
  return {
    save,
    async saveIfDue(state: RunState, seconds: number) {
      if (state.step > last.step && seconds - last.seconds >= checkpointEverySeconds) await save(state, seconds);
    },
    /** After the step was measured and that logged: where a kill comes between, an older checkpoint is gone on from, and it is measured again. */
    async saveIfBest(state: RunState, seconds: number) {
      if (!keepBest || !isDue(keepBest === 'heldOutVelocityLoss' ? heldOutEvery : every, state)) return;
      if (findBestStep(folder, keepBest, state.step) === state.step) await save(state, seconds);
    },
    async saveIfNewer(state: RunState, seconds: number) {
      if (state.step > last.step) await save(state, seconds);
    },
  };
}

/** Notes a step without an update. Throws where so many in a row were not finite that going on would not help. */
function leaveOut(skipped: SkippedStep, { guard }: RunState, log: MetricsLog): void {
  log.skip(skipped);
  const { step, reason, samples } = skipped;
  const what = `step ${step}: ${reason}; no weight was changed (samples ${samples.join(' to ')})`;
  if (guard.notFiniteInARow === MOST_IN_A_ROW) {
    throw new Error(
      `${what}. That was the ${MOST_IN_A_ROW}rd step in a row: lower optimizer.learningRate and go on from the last checkpoint`,
    );
  }
  console.error(`\n${what}`);
}

const isDue = (every: number, { step }: RunState): boolean => every > 0 && step % every === 0;

/** Throws where a new run of this config would fail before its first step, for the usual reasons: its data or initial weights. */
export async function checkStart(config: RunConfig): Promise<void> {
  recordData(config);
  openClips(config, 'train').close?.();
  disposeState(await firstState(config, videoDiTConfig(config)));
}

function describeMeasurement({ step, protocol, data, ...figures }: StepMeasurement): string {
  const distance = `${isFvd(protocol) ? 'FVD' : 'Frechet distance (not FVD)'} ${figures.frechetDistance.toPrecision(4)}`;
  const kernel = `${figures.kernelDistance.toPrecision(3)} +- ${figures.kernelStandardError.toPrecision(2)}`;
  const tooShort = data?.tooShort ? `; ${data.tooShort} of ${data.videos} videos are too short for a clip` : '';
  const clips = `${protocol.numGenerated} generated against ${protocol.numReal} real clips`;
  return `step ${step}: ${distance}, kernel distance ${kernel} (${clips}, ${describeExtractor(protocol)}${tooShort})`;
}

/**
 * Writes what the previews of a run show, and returns what makes one: a grid sampled from the EMA parameters, as a still, whose
 * path it gives, and as a movie.
 */
function openPreviews(config: RunConfig, folder: RunFolder, network: FullVideoDiTConfig, sample: SampleFunction) {
  const asked = askEvenly(config, config.training.previewClips);
  const names = classNames(folder, config);
  if (config.training.previewEvery > 0) {
    const shown = names ? { ...asked, classes: asked.labels!.map((label) => names[label]) } : asked;
    writeFileSync(join(folder.previews, 'labels.json'), `${JSON.stringify(shown, null, 2)}\n`);
  }
  return async (state: RunState): Promise<string> => {
    const params = emaParams(state);
    const clips = sampleClips(sample, params, network, { clip: config.data, ...asked, seed: config.seed });
    disposeTree(params);
    const file = join(folder.previews, `step-${String(state.step).padStart(6, '0')}`);
    await writeGridPng(`${file}.png`, clips, { frames: 'strip', scale: 2 });
    await writeGridWebp(`${file}.webp`, clips, { scale: 4 });
    return `${file}.png`;
  };
}
