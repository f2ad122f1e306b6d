import { existsSync, mkdirSync } from 'node:fs';
import { dirname } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { writeSafetensors } from '@eflow/checkpoint';
import { createProgress, examples, integer, number, runProgram } from '@eflow/cli';
import { type Batch, createBatches, datasetSpec } from '@eflow/data';
import { useTensorFlow } from '@eflow/engine';
import { realSource } from '@eflow/measure';
import { adamW, warmupCosine } from '@eflow/optim';
import { createStream, disposeTree, splitStream, type Tree, treeEntries, uploadClips } from '@eflow/tensor';
import { createTrainStep, currentParams, disposeState, initState } from '@eflow/train';
import * as tf from '@tensorflow/tfjs-core';
import { Argument, Command } from 'commander';
import { type ClassifierTask, captionedDigits, movingDigits, movingEmoji } from './tasks.ts';

interface Flags {
  steps: number;
  batchSize: number;
  learningRate: number;
  seed: number;
  out?: string;
  force?: boolean;
}

const TASKS = { movingDigits, captionedDigits, movingEmoji };
const HELD_OUT_CLIPS = 10_000;
const REQUIRED_ACCURACY = 0.97;
const WARMUP_STEPS = 50;
const WEIGHT_DECAY = 0.01;

const program = new Command('train-classifier')
  .description(
    `Train the classifier by which runs are measured, on the clips that they are of. Its weights are written if it names at least ${100 * REQUIRED_ACCURACY} % of ${HELD_OUT_CLIPS} held-out clips right.`,
  )
  .addArgument(
    new Argument('[data]', 'kind of clips: captioned ones are right in all that their captions say, or wrong')
      .choices(Object.keys(TASKS))
      .default('movingDigits'),
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
  .option('--out <file>', 'where the weights go (default: where @eflow/fvd ships them)')
  .option('--force', 'replace the file that is there')
  .addHelpText(
    'after',
    examples('train-classifier', '--out classifier.safetensors', 'captionedDigits --seed 1 --out other.safetensors'),
  );

async function main<Params extends Tree>(task: ClassifierTask<Params>, flags: Flags): Promise<void> {
  const { out = fileURLToPath(task.weights) } = flags;
  if (existsSync(out) && !flags.force) {
    throw new Error(`${out} exists: replace it with --force, or choose another file with --out`);
  }
  mkdirSync(dirname(out), { recursive: true }); // what cannot be made fails before training, not after
  const { tensorflowVersion, device } = await useTensorFlow();
  console.log(
    `Training on TensorFlow ${tensorflowVersion} (${device}): ${flags.steps} steps of ${flags.batchSize} clips.`,
  );
  const start = performance.now();
  const params = await train(task, flags);
  const seconds = (performance.now() - start) / 1000;

  console.log(`Trained in ${seconds.toFixed(0)} s.`);
  const held = await realSource(task.data, { most: HELD_OUT_CLIPS, seed: 0 });
  const shares = await task.measure(params, held);
  const { accuracy } = shares;
  const listed = Object.entries(shares).map(([name, share]) => `${name} ${share.toFixed(4)}`);
  console.log(`On ${HELD_OUT_CLIPS} held-out clips: ${listed.join(', ')}.`);
  if (accuracy < REQUIRED_ACCURACY) {
    throw new Error(
      `accuracy ${accuracy} is below ${REQUIRED_ACCURACY}, so nothing was written: train longer with --steps`,
    );
  }
  const tensors = treeEntries(params).map(
    ([name, leaf]) => [name, { dtype: 'F32', shape: leaf.shape, data: leaf.dataSync<'float32'>() }] as const,
  );
  const { bytes, sha256 } = await writeSafetensors(out, tensors, {
    ...Object.fromEntries(Object.entries(shares).map(([name, share]) => [heldOutKey(name), String(share)])),
    heldOutClips: String(HELD_OUT_CLIPS),
    steps: String(flags.steps),
    batchSize: String(flags.batchSize),
    learningRate: String(flags.learningRate),
    seed: String(flags.seed),
    spec: JSON.stringify(task.data),
    tensorflow: tensorflowVersion,
  });
  console.log(`${out} (${bytes} bytes, SHA-256 ${sha256})`);
}

/** `accuracy` is kept as `heldOutAccuracy`. */
const heldOutKey = (name: string) => `heldOut${name[0]!.toUpperCase()}${name.slice(1)}`;

/** Minimises the task's loss; the caller owns the weights. */
async function train<Params extends Tree>(
  task: ClassifierTask<Params>,
  { steps, batchSize, learningRate, seed }: Flags,
): Promise<Params> {
  const optimizer = adamW({
    learningRate: warmupCosine({ learningRate, warmupSteps: WARMUP_STEPS, totalSteps: steps }),
    weightDecay: WEIGHT_DECAY,
  });
  const initial = task.init(splitStream(createStream(seed), 'init'));
  const state = initState(initial);
  disposeTree(initial);
  const trainStep = createTrainStep({
    optimizer,
    clipNorm: Number.POSITIVE_INFINITY,
    emaDecay: 0, // the last weights are those that are kept
    seed,
    loss: (params: Params, { clips, labels }: DeviceBatch) => ({ loss: task.loss(params, clips, labels) }),
  });
  const batches = createBatches(datasetSpec(task.data, 'train', seed), { batchSize });
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

/** `clips` [B, F, H, W, C] in [-1, 1] and `labels` [B]. */
type DeviceBatch = { clips: tf.Tensor; labels: tf.Tensor1D };

/** The caller owns the tensors. */
const upload = (batch: Batch): DeviceBatch => ({
  clips: uploadClips(batch),
  labels: tf.tensor1d(batch.labels, 'int32'),
});

program.action((kind: keyof typeof TASKS, flags: Flags) => {
  const run = <Params extends Tree>(task: ClassifierTask<Params>) => main(task, flags);
  return kind === 'movingDigits' ? run(TASKS[kind]) : run(TASKS[kind]);
});
await runProgram(program);
