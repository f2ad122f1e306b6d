import '@tensorflow/tfjs-backend-cpu';
import { loadTree, saveTree } from '@eflow/checkpoint';
import { sampleFewStep } from '@eflow/flow';
import { writeGridWebp } from '@eflow/media';
import { createStream, randomNormal, toClips } from '@eflow/tensor';
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
const file = process.argv[2] ?? 'untrained.safetensors';
if (!process.argv[2]) {
  console.log('No weights were given: the clips will be noise. The example train-compiled trains some.');
  await saveTree(file, initial);
}
const params = await loadTree(file, initial); // refuses the weights of another network

const labels = tf.range(0, 10, 1, 'int32'); // one clip of every class
const noise = randomNormal(createStream(2), [10, F, H, W, 1]);
const { data, nfe } = sampleFewStep(bindVideoDiT(params, config).strong, { noise, condition: { labels } });
const sample = toClips(data.dataSync() as Float32Array, [10, F, H, W, 1]);
await writeGridWebp('sample.webp', sample, { columns: 5, scale: 6 });
console.log(`10 clips in ${nfe} passes from ${file}: sample.webp`);
