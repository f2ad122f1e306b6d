import '@tensorflow/tfjs-backend-cpu';
import { sampleFewStep } from '@eflow/flow';
import { writeGridPng, writeGridWebp } from '@eflow/media';
import { adamW } from '@eflow/optim';
import { type Clips, createStream, disposeTree, randomNormal, toClips, uploadClips } from '@eflow/tensor';
import { createVideoDiTStep, disposeState, emaParams, initState } from '@eflow/train';
import { bindVideoDiT, initVideoDiT, type VideoDiTConfig } from '@eflow/video-dit';
import * as tf from '@tensorflow/tfjs-core';

const [B, F, H, W] = [8, 4, 8, 8] as const; // clips in a batch; frames, rows and columns of a clip
const config: VideoDiTConfig = {
  channels: 1,
  patchSize: [1, 8, 2], // a token is two columns of a frame
  hiddenSize: 24,
  depth: [1, 1, 1], // encoder, middle and decoder blocks
  numHeads: 2,
  numClasses: 2,
};
const totalSteps = 100;
const step = createVideoDiTStep(config, { totalSteps, emaDecay: 0.95, optimizer: adamW({ learningRate: 5e-3 }) });
const initial = initVideoDiT(createStream(1), config);
const state = initState(initial);
disposeTree(initial);

while (state.step < totalSteps) {
  const clips = movingBars();
  const batch = { data: uploadClips(clips), condition: { labels: tf.tensor1d(clips.labels!, 'int32') } };
  const { velocityLoss } = step(state, batch); // the batch stays ours
  disposeTree(batch);
  if (state.step % 10 === 0) console.log(`step ${state.step}: loss ${velocityLoss.toFixed(3)}`);
}

// The moving average of the weights makes better clips than the last weights do.
const network = bindVideoDiT(emaParams(state), config).strong;
const labels = tf.tensor1d([0, 0, 0, 1, 1, 1], 'int32');
const noise = randomNormal(createStream(2), [6, F, H, W, 1]);
const { data, nfe } = sampleFewStep(network, { noise, condition: { labels } });
const sample = toClips(data.dataSync() as Float32Array, [6, F, H, W, 1]);
await writeGridWebp('sample.webp', sample, { columns: 3, scale: 12, fps: 4 });
await writeGridPng('sample.png', sample, { frames: 'strip', scale: 12 });
console.log(`6 clips in ${nfe} passes: sample.webp, and frame by frame sample.png`);
disposeState(state);

/** B clips of a bright column that moves right (class 0) or left (class 1), by one pixel a frame. */
function movingBars(): Clips {
  const pixels = new Uint8Array(B * F * H * W);
  const labels = Int32Array.from({ length: B }, (_, clip) => clip % 2);
  for (let clip = 0; clip < B; clip++) {
    const start = Math.floor(Math.random() * W);
    for (let frame = 0; frame < F; frame++) {
      const x = (start + (labels[clip] === 0 ? frame : W - frame)) % W;
      for (let y = 0; y < H; y++) pixels[((clip * F + frame) * H + y) * W + x] = 255;
    }
  }
  return { pixels, shape: [B, F, H, W, 1], labels };
}
