import '@tensorflow/tfjs-backend-cpu';
import { loadTree, saveTree } from '@eflow/checkpoint';
import { sampleFewStep } from '@eflow/flow';
import { writeGridWebp } from '@eflow/media';
import { adamW } from '@eflow/optim';
import { createStream, randomNormal, toClips, uploadClips } from '@eflow/tensor';
import { createVideoDiTStep, emaParams, initState } from '@eflow/train';
import { bindVideoDiT, initVideoDiT, type VideoDiTConfig } from '@eflow/video-dit';
import * as tf from '@tensorflow/tfjs-core';

// The network whose weights the example train-compiled saves.
const [F, H, W] = [8, 16, 16] as const;
const config: VideoDiTConfig = {
  channels: 1,
  patchSize: [2, 4, 4],
  hiddenSize: 64,
  depth: [1, 2, 1],
  numHeads: 4,
  numClasses: 10,
};
const initial = initVideoDiT(createStream(1), config);
const file = process.argv[2] ?? (await trainBriefly());
const params = await loadTree(file, initial); // refuses the weights of another network

const labels = tf.range(0, 10, 1, 'int32'); // one clip of every class
const noise = randomNormal(createStream(2), [10, F, H, W, 1]);
const { data, nfe } = sampleFewStep(bindVideoDiT(params, config).strong, { noise, condition: { labels } });
const sample = toClips(data.dataSync() as Float32Array, [10, F, H, W, 1]);
await writeGridWebp('sample.webp', sample, { columns: 5, scale: 6 });
console.log(`10 clips in ${nfe} passes from ${file}: sample.webp`);

/** A file of weights after a few steps, enough for blurred spots: squares whose place is their class. */
async function trainBriefly(): Promise<string> {
  const [file, totalSteps] = ['brief.safetensors', 30];
  console.log(`No weights were given. Training ${totalSteps} steps on squares, for blurred ones`);
  const pixels = new Uint8Array(10 * F * H * W);
  for (let i = 0; i < pixels.length; i++) {
    const [x, y, clip] = [i % W, Math.floor(i / W) % H, Math.floor(i / (F * H * W))];
    if (Math.abs(x - 1.5 * clip - 1) < 3 && Math.abs(y - 8) < 3) pixels[i] = 255;
  }
  const batch = {
    data: uploadClips({ pixels, shape: [10, F, H, W, 1] }),
    condition: { labels: tf.range(0, 10, 1, 'int32') },
  };
  const step = createVideoDiTStep(config, { totalSteps, emaDecay: 0.5, optimizer: adamW({ learningRate: 3e-3 }) });
  const state = initState(initial);
  while (state.step < totalSteps) step(state, batch);
  await saveTree(file, emaParams(state));
  return file;
}
