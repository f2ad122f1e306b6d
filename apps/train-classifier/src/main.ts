import { existsSync, mkdirSync } from 'node:fs';
import { dirname } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { writeSafetensors } from '@eflow/checkpoint';
import { createProgress, examples, integer, number, runProgram } from '@eflow/cli';
import { type Batch, createBatches } from '@eflow/data';
import { useTensorFlow } from '@eflow/engine';
import {
  createDigitsExtractor,
  type DigitsClassifierParams,
  digitsClassifier,
  digitsClassifierWeights,
  initDigitsClassifier,
} from '@eflow/fvd';
import { type Judgement, look, realSource } from '@eflow/measure';
import { adamW, warmupCosine } from '@eflow/optim';
import { createStream, disposeTree, splitStream, treeEntries, uploadClips } from '@eflow/tensor';
import { createTrainStep, currentParams, disposeState, initState } from '@eflow/train';
import * as tf from '@tensorflow/tfjs-core';
import { Command } from 'commander';
import { CLIPS } from './clips.ts';

interface Flags {
  steps: number;
  batchSize: number;
  learningRate: number;
  seed: number;
  out: string;
  force?: boolean;
}

const HELD_OUT_CLIPS = 10_000;
const REQUIRED_ACCURACY = 0.97;
const WARMUP_STEPS = 50;
const WEIGHT_DECAY = 0.01;

const program = new Command('train-classifier')
  .description(
    `Train the moving-digits classifier by which runs are measured, on ${CLIPS.numFrames} frames of ${CLIPS.height}x${CLIPS.width}. Its weights are written if it names at least ${100 * REQUIRED_ACCURACY} % of ${HELD_OUT_CLIPS} held-out clips right.`,
  )
  .option('--steps <n>', 'updates', integer(WARMUP_STEPS + 1), 4000)
  .option('--batch-size <n>', 'clips per update', integer(1), 64)
  .option(
    '--learning-rate <x>',
    'highest learning rate of AdamW',
    number('a number between 0 and 1', (value) => value > 0 && value < 1),
    3e-3,
  )
  .option(
    '--seed <n>',
    'seed of the first weights and the order of clips; the same seed gives the same weights',
    integer(0),
    0,
  )
  .option('--out <file>', 'where the weights go', fileURLToPath(digitsClassifierWeights))
  .option('--force', 'replace the file that is there')
  .addHelpText(
    'after',
    examples('train-classifier', '--out classifier.safetensors', '--seed 1 --out other.safetensors'),
  );

async function main(flags: Flags): Promise<void> {
  if (existsSync(flags.out) && !flags.force) {
    throw new Error(`${flags.out} exists: replace it with --force, or choose another file with --out`);
  }
  mkdirSync(dirname(flags.out), { recursive: true }); // what cannot be made fails before training, not after
  const { tensorflowVersion, device } = await useTensorFlow();
  console.log(
    `Training on TensorFlow ${tensorflowVersion} (${device}): ${flags.steps} steps of ${flags.batchSize} clips.`,
  );
  const start = performance.now();
  const params = await train(flags);
  const seconds = (performance.now() - start) / 1000;

  console.log(`Trained in ${seconds.toFixed(0)} s.`);
  const { classAccuracy: accuracy, frameConsistency: consistency } = await measure(params);
  console.log(
    `On ${HELD_OUT_CLIPS} held-out clips: accuracy ${accuracy.toFixed(4)}, all frames of one class in ${consistency.toFixed(4)}.`,
  );
  if (accuracy < REQUIRED_ACCURACY) {
    throw new Error(
      `accuracy ${accuracy} is below ${REQUIRED_ACCURACY}, so nothing was written: train longer with --steps`,
    );
  }
  const tensors = treeEntries(params).map(
    ([name, leaf]) => [name, { dtype: 'F32', shape: leaf.shape, data: leaf.dataSync<'float32'>() }] as const,
  );
  const { bytes, sha256 } = await writeSafetensors(flags.out, tensors, {
    heldOutAccuracy: String(accuracy),
    heldOutFrameConsistency: String(consistency),
    heldOutClips: String(HELD_OUT_CLIPS),
    steps: String(flags.steps),
    batchSize: String(flags.batchSize),
    learningRate: String(flags.learningRate),
    seed: String(flags.seed),
    spec: JSON.stringify(CLIPS),
    tensorflow: tensorflowVersion,
  });
  console.log(`${flags.out} (${bytes} bytes, SHA-256 ${sha256})`);
}

/** Minimises the cross-entropy of every frame, so that each learns to name the digit without the rest of the clip. */
async function train({ steps, batchSize, learningRate, seed }: Flags): Promise<DigitsClassifierParams> {
  const optimizer = adamW({
    learningRate: warmupCosine({ learningRate, warmupSteps: WARMUP_STEPS, totalSteps: steps }),
    weightDecay: WEIGHT_DECAY,
  });
  const initial = initDigitsClassifier(splitStream(createStream(seed), 'init'));
  const state = initState(initial);
  disposeTree(initial);
  const trainStep = createTrainStep({
    optimizer,
    clipNorm: Number.POSITIVE_INFINITY,
    emaDecay: 0, // the last weights are those that are kept
    seed,
    loss: (params: DigitsClassifierParams, { clips, labels }: DeviceBatch) => {
      const logProbabilities = tf.logSoftmax(digitsClassifier(params, clips).frameLogits);
      const wanted = tf.expandDims(tf.oneHot(labels, 10), 1);
      return { loss: tf.neg(tf.mean(tf.sum(tf.mul(logProbabilities, wanted), -1))) as tf.Scalar };
    },
  });
  const batches = createBatches({ kind: 'movingDigits', ...CLIPS, split: 'train', seed }, { batchSize });
  const progress = createProgress(steps, 'steps', { stays: true });
  try {
    while (state.step < steps) {
      const batch = upload(await batches.next());
      const { loss, skipped } = trainStep(state, batch);
      disposeTree(batch);
      if (skipped) throw new Error(`at step ${state.step - 1} ${skipped}: lower --learning-rate`);
      progress.update(state.step, `loss ${loss.toFixed(3)}`);
      await setImmediate(); // a training step blocks the event loop: let the progress line and signals in
    }
  } finally {
    progress.end();
  }
  await batches.close();
  const params = currentParams(state);
  disposeState(state);
  return params;
}

/** Accuracy and frame consistency on clips of digits by other writers than training has seen. */
async function measure(params: DigitsClassifierParams): Promise<Judgement> {
  const held = await realSource({ kind: 'movingDigits', ...CLIPS }, { most: HELD_OUT_CLIPS, seed: 0 });
  const extractor = createDigitsExtractor(params, 'not written yet');
  return (await look(extractor, held, { batchSize: 200, judge: true })).judgement!;
}

/** `clips` [B, F, H, W, 1] in [-1, 1] and `labels` [B]. */
type DeviceBatch = { clips: tf.Tensor; labels: tf.Tensor1D };

/** The caller owns the tensors. */
const upload = (batch: Batch): DeviceBatch => ({
  clips: uploadClips(batch),
  labels: tf.tensor1d(batch.labels, 'int32'),
});

program.action(main);
await runProgram(program);
