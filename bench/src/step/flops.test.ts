import { createStream, treeEntries } from '@eflow/tensor';
import { initVideoDiT, type VideoDiTConfig, videoDiT } from '@eflow/video-dit';
import * as tf from '@tensorflow/tfjs-core';
import { expect, it, vi } from 'vitest';
import { countForwardFlops } from './flops.ts';
import { createWorkload } from './workload.ts';

vi.stubEnv('EFLOW_NATIVE', '0'); // products are seen in the composed form

const B = 3;

/** FLOPs of the matrix products that a forward pass of the TypeScript network runs, as tfjs reports their operands. */
async function measureProducts(network: VideoDiTConfig): Promise<number> {
  const params = initVideoDiT(createStream(1), network);
  const headDim = network.hiddenSize / network.numHeads;
  const input = {
    noisy: tf.zeros([B, network.numFrames, network.height, network.width, network.channels]),
    timestep: tf.fill([B], 0.5),
    targetTimestep: tf.zeros([B]),
    condition: tf.zeros([B], 'int32'),
  };
  const { kernels } = await tf.profile(() => videoDiT(params, network, input));
  tf.dispose([...treeEntries(params).map(([, leaf]) => leaf), ...Object.values(input)]);
  const ownAffair = (right: number[]) =>
    (right.at(-2) === headDim && right.at(-1) === headDim) || right.at(-2) === network.numClasses + 1;
  let flops = 0;
  for (const { name, inputShapes, outputShapes } of kernels) {
    if (name !== 'BatchMatMul') continue;
    const [left, right] = inputShapes as [number[], number[]];
    const output = outputShapes[0] as number[];
    // Operands share one axis, which the output lacks; all of left's elements meet each of the output's columns.
    const columns = output.at(-1)!;
    if (!ownAffair(right)) flops += 2 * left.reduce((a, b) => a * b) * columns;
  }
  return flops;
}

it.each([[[1, 2, 1]], [[2, 1, 3]]] as const)('counts the products that the network of depth %j runs', async (depth) => {
  const network: VideoDiTConfig = {
    numFrames: 6,
    height: 10,
    width: 14,
    channels: 3,
    patchSize: [2, 5, 7],
    hiddenSize: 44,
    depth,
    numHeads: 2,
    mlpRatio: 1.75,
    attention: { kind: 'softmax' },
    numClasses: 5,
  };
  expect(countForwardFlops(network, B)).toBe(await measureProducts(network));
});

it('grows with the square of the tokens in attention alone', () => {
  const [small, large] = [512, 2048].map((tokens) => {
    const { network } = createWorkload(tokens, [1, 2, 1]);
    return countForwardFlops(network, 1);
  }) as [number, number];
  // 4 blocks, 6 heads, 2 products of L^2 D: what is left of four small ones is attention's 16 - 4 = 12 times 512^2.
  const perClip = 4 * 6 * 2 * 2 * 64;
  expect(large - 4 * small).toBeGreaterThan(0.99 * 12 * 512 ** 2 * perClip);
  expect(large - 4 * small).toBeLessThanOrEqual(12 * 512 ** 2 * perClip);
});
