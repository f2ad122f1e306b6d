import '@tensorflow/tfjs-backend-cpu';
import '@tensorflow/tfjs-backend-webgpu';
import { parseTree } from '@eflow/checkpoint/bytes';
import { sampleFewStep } from '@eflow/flow';
import { createStream, randomNormal, toClips } from '@eflow/tensor';
import { bindVideoDiT, initVideoDiT } from '@eflow/video-dit';
import { setWasmPaths } from '@tensorflow/tfjs-backend-wasm';
import * as tf from '@tensorflow/tfjs-core';
import { config } from './config.ts';

const [N, F, H, W] = [10, 8, 16, 16] as const; // a clip of every class

// The first backend that starts here.
setWasmPaths('./');
for (const name of ['webgpu', 'wasm', 'cpu']) if (await tf.setBackend(name).catch(() => false)) break;

const weights = await (await fetch('ema.safetensors')).arrayBuffer();
const params = parseTree(weights, initVideoDiT(createStream(1), config)); // refuses the weights of another network
const labels = tf.range(0, N, 1, 'int32');
const noise = randomNormal(createStream(2), [N, F, H, W, 1]);
const start = performance.now();
const { data, nfe } = sampleFewStep(bindVideoDiT(params, config).strong, { noise, condition: { labels } });
const { pixels } = toClips((await data.data()) as Float32Array, [N, F, H, W, 1]);
const seconds = ((performance.now() - start) / 1000).toFixed(1);
document.querySelector('p')!.textContent = `${N} clips in ${nfe} passes on ${tf.getBackend()}: ${seconds} s`;

const canvas = document.querySelector('canvas')!;
[canvas.width, canvas.height] = [N * W, H];
const context = canvas.getContext('2d')!;
let frame = 0;
draw();
setInterval(draw, 125); // 8 frames a second

function draw(): void {
  for (let clip = 0; clip < N; clip++) {
    const image = context.createImageData(W, H);
    for (let i = 0; i < H * W; i++) {
      const grey = pixels[(clip * F + frame) * H * W + i]!;
      image.data.set([grey, grey, grey, 255], 4 * i);
    }
    context.putImageData(image, clip * W, 0);
  }
  frame = (frame + 1) % F;
}
