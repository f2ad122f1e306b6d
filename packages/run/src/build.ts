import { attentionKind } from '@eflow/attention';
import { type ClipDataset, datasetKind, datasetSpec, openDataset, type Split } from '@eflow/data';
import { assertParts, createObjective, type GuidanceRange, splitRows } from '@eflow/flow';
import { collectWords } from '@eflow/text';
import { type FullVideoDiTConfig, tokenGrid, validateConfig } from '@eflow/video-dit';
import type { RunConfig } from './config.ts';

/** The network that a config describes. Throws if its sizes do not go together. */
export function videoDiTConfig({ data, network, objective, text }: RunConfig): FullVideoDiTConfig {
  const { channels, numClasses } = datasetKind(data).describe(data);
  return validateConfig({
    channels,
    ...(text ? { words: wordEncoderConfig(text) } : { numClasses }),
    ...network,
    guidanceInput: trainedRange(objective) !== undefined,
  });
}

const wordEncoderConfig = ({ width, depth, numHeads, vocabulary = [] }: NonNullable<RunConfig['text']>) => ({
  vocabulary,
  width,
  depth,
  numHeads,
});

/** The config with the words that captions of its data have, unless it says them. Throws where data have no captions to learn from. */
export function completeText(config: RunConfig): RunConfig {
  const { data, text } = config;
  if (!text) return config;
  const task = datasetKind(data).captions?.(data);
  if (!task) {
    throw new Error(
      `text is set, and clips of the kind ${data.kind} have no captions to learn from; set data.kind=captionedDigits, or leave text out`,
    );
  }
  return { ...config, text: { ...text, vocabulary: text.vocabulary ?? collectWords(task.texts) } };
}

/** The range of guidance scales that an objective trains a network on, which takes the scale as an input; of one scale none. */
export function trainedRange(objective: RunConfig['objective']): GuidanceRange | undefined {
  const scale = 'guidanceScale' in objective ? objective.guidanceScale : 1;
  return typeof scale === 'number' ? undefined : scale;
}

/**
 * Throws if patches do not divide the clips, the batch cannot be split into rows of both kinds, a window is wider than the
 * sequence, guidance moves away from what nothing trains, the data are predicted for a path that the solution map does not follow,
 * videos are to be measured without I3D's weights, or something that is asked for is not measured.
 */
export function checkTraining(config: RunConfig): void {
  const { data, measurement } = config;
  if (measurement.every > 0 && datasetKind(data).measuredBy === 'i3d' && !measurement.i3dWeights) {
    throw new Error(
      "measurement.every is set, and measurement.i3dWeights is not: FVD is of I3D, whose weights cannot be shipped; give their file (@eflow/measure's README says how to have it)",
    );
  }
  checkMeasured(config);
  checkGuidance(config);
  checkPrediction(config);
  checkRows(config);
  checkAttention(config);
}

/** The parts of a batch whose gradients make one update. */
export const countMicroBatches = ({ batchSize, microBatchSize = batchSize }: RunConfig['training']): number =>
  batchSize / microBatchSize;

/** A batch has rows of both kinds, and as many of each in every micro batch. */
function checkRows({ objective, training }: RunConfig): void {
  const rows =
    'velocityRatio' in objective
      ? splitRows(training.batchSize, objective.velocityRatio)
      : { velocityRows: training.batchSize, jumpRows: 0 };
  const { branches, microBatchSize } = training;
  const parts = countMicroBatches(training);
  prefixErrors(`training.microBatchSize is ${microBatchSize}: `, () => assertParts(parts, rows));
  prefixErrors(`training.branches is ${branches}: `, () => assertParts(parts * branches, rows));
}

/** Held-out losses need clips that are held out, and a best checkpoint what it is chosen by. */
function checkMeasured({ data, measurement, training }: RunConfig): void {
  if (measurement.heldOutEvery > 0 && !datasetKind(data).splits(data).includes('held-out')) {
    throw new Error(
      'measurement.heldOutEvery is set, and no clips are held out; set data.heldOut=0.05, or measurement.heldOutEvery=0',
    );
  }
  const { keepBest } = training;
  const key = keepBest === 'heldOutVelocityLoss' ? 'heldOutEvery' : 'every';
  if (keepBest === undefined || measurement[key] > 0) return;
  throw new Error(
    `training.keepBest is ${keepBest}, which is not measured: measurement.${key} is 0; set measurement.${key}=500, or leave training.keepBest out`,
  );
}

/** Guidance moves away from a prediction that has to be trained itself. */
function checkGuidance({ objective }: RunConfig): void {
  if (!('guidanceScale' in objective) || objective.guidanceScale === 1) return;
  const byWeakPath = 'guidanceReference' in objective && objective.guidanceReference === 'weak-path';
  const [key, what] = byWeakPath
    ? (['pathDropProb', 'weak path'] as const)
    : (['classDropoutProb', 'prediction without a condition'] as const);
  if (objective[key] > 0) return;
  const range = trainedRange(objective);
  const scale = range ? `${range.min} to ${range.max}` : objective.guidanceScale;
  throw new Error(
    `objective.guidanceScale is ${scale} and objective.${key} 0, so that nothing trains the ${what} that guidance moves away from; set objective.${key}=0.1, or objective.guidanceScale=1`,
  );
}

/** On another path than the map's own, what a network has to put out contains noise again (docs/theory.md). */
function checkPrediction({ network, objective }: RunConfig): void {
  const { map } = createObjective(objective);
  const path = map === 'euler' ? 'linear' : 'trigonometric';
  if (network.predicts === 'velocity' || objective.path === path) return;
  throw new Error(
    `network.predicts is 'data', objective.path '${objective.path}' and the solution map '${map}', so that the network would have to put out noise; set objective.path=${path}, or network.predicts=velocity`,
  );
}

function checkAttention({ data, network, training }: RunConfig): void {
  const grid = prefixErrors('data does not suit network.patchSize: ', () => tokenGrid(network, data));
  const { attention } = network;
  const { keepRatio } = training;
  prefixErrors('network.attention.', () => attentionKind(attention).check?.(attention, { grid, keepRatio }));
}

/** What `fn` gives; where it throws, the error's message comes after `where`. */
function prefixErrors<T>(where: string, fn: () => T): T {
  try {
    return fn();
  } catch (error) {
    throw new Error(`${where}${(error as Error).message}`);
  }
}

/**
 * Clips of a config, made in this process; of files, to be closed. Throws if there are none, or they are of other sizes than
 * the config says.
 */
export function openClips(config: RunConfig, split: Split): ClipDataset {
  const { numFrames, height, width } = config.data;
  const { channels, numClasses } = datasetKind(config.data).describe(config.data);
  const dataset = openDataset(datasetSpec(config.data, split, config.seed));
  const wanted = [numFrames, height, width, channels].join(' x ');
  if (dataset.shape.join(' x ') === wanted && dataset.numClasses === numClasses) return dataset;
  dataset.close?.();
  throw new Error(
    `the config's data are clips of ${wanted} in ${countClasses(numClasses)}, and those that there are of ${dataset.shape.join(' x ')} in ${countClasses(dataset.numClasses)}; ` +
      'leave data.height, data.width and data.numClasses out, so that the data say them, or set them to these',
  );
}

const countClasses = (count: number) => `${count} class${count === 1 ? '' : 'es'}`;
