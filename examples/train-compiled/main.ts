import { saveTree } from '@eflow/checkpoint';
import { createBatches } from '@eflow/data';
import { compile, useTensorFlow } from '@eflow/engine';
import { sampleFewStep } from '@eflow/flow';
import { writeGridWebp } from '@eflow/media';
import { adamW, warmupConstant } from '@eflow/optim';
import { createStream, disposeTree, randomNormal, toClips, uploadClips } from '@eflow/tensor';
import { createVideoDiTStep, disposeState, emaParams, initState } from '@eflow/train';
import { bindVideoDiT, initVideoDiT, type VideoDiTConfig } from '@eflow/video-dit';
import * as tf from '@tensorflow/tfjs-core';

const totalSteps = Number(process.argv[2] ?? 600);
const [F, H, W] = [8, 16, 16] as const;
const config: VideoDiTConfig = {
  channels: 1,
  patchSize: [2, 4, 4],
  hiddenSize: 64,
  depth: [1, 2, 1],
  numHeads: 4,
  numClasses: 10,
};

await useTensorFlow();
const batches = createBatches(
  {
    ...{ kind: 'movingDigits', split: 'train', seed: 0, numDigits: 1, digitSize: 14 },
    ...{ numFrames: F, height: H, width: W, minSpeed: 0.5, maxSpeed: 1 },
  },
  { batchSize: 32 },
);
const optimizer = adamW({ learningRate: warmupConstant({ learningRate: 2e-3, warmupSteps: 50 }) });
// The whole step, from random draws to the moving average of the weights, becomes one TensorFlow graph.
const step = createVideoDiTStep(config, { totalSteps, optimizer, emaDecay: 0.99, compile });
const initial = initVideoDiT(createStream(1), config);
const state = initState(initial);
disposeTree(initial);

while (state.step < totalSteps) {
  const clips = await batches.next();
  const batch = { data: uploadClips(clips), condition: { labels: tf.tensor1d(clips.labels, 'int32') } };
  const { velocityLoss } = step(state, batch);
  disposeTree(batch);
  if (state.step % 20 === 0) console.log(`step ${state.step}: loss ${velocityLoss.toFixed(3)}`);
}
await batches.close();

const params = emaParams(state);
await saveTree('ema.safetensors', params);
const labels = tf.range(0, 10, 1, 'int32'); // one clip of every digit
const noise = randomNormal(createStream(2), [10, F, H, W, 1]);
const { data, nfe } = sampleFewStep(bindVideoDiT(params, config).strong, { noise, condition: { labels } });
const sample = toClips(data.dataSync() as Float32Array, [10, F, H, W, 1]);
await writeGridWebp('sample.webp', sample, { columns: 5, scale: 6 });
console.log(`10 clips in ${nfe} passes: sample.webp; the weights: ema.safetensors`);
disposeState(state);
