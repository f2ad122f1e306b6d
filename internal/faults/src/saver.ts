/**
 * What `kill.ts` kills: saves checkpoints of the steps from `first` to `last` into `folder`, prunes, and prints each step
 * once its save has returned. Every weight is the step's number.
 */
import '@tensorflow/tfjs-backend-cpu';
import { pruneCheckpoints, saveCheckpoint } from '@eflow/checkpoint';
import * as tf from '@tensorflow/tfjs-core';

const [folder, first, last] = process.argv.slice(2) as [string, string, string];
for (let step = Number(first); step <= Number(last); step++) {
  const params = { blocks: [{ weight: tf.fill([32, 64], step) }], bias: tf.fill([64], step) };
  await saveCheckpoint(folder, { step, seed: 1, config: { step }, trees: { params, ema: params } });
  await pruneCheckpoints(folder, { keepLast: 2 });
  tf.dispose(params);
  console.log(step);
}
