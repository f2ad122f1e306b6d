import type { Network } from '@eflow/flow';
import { createStream, mapTree, randomNormal, splitStream } from '@eflow/tensor';
import { initVideoDiT } from '@eflow/video-dit';
import * as tf from '@tensorflow/tfjs-core';
import { describe, expect, it } from 'vitest';
import { bindNetworks, videoDiTConfig } from './build.ts';
import { loadConfig } from './load-config.ts';
import { cycleLabels, SAMPLERS, sampleClips } from './sample-clips.ts';

const config = videoDiTConfig(
  loadConfig('digits-tiny', [
    'data.numFrames=2',
    'data.height=8',
    'data.width=8',
    'data.digitSize=7',
    'network.patchSize=2,4,4',
    'network.hiddenSize=12',
    'network.numHeads=2',
    'network.attention.windowSize=3',
  ]),
);
const params = mapTree(initVideoDiT(createStream(1), config), (leaf, name) =>
  tf.add(leaf, tf.mul(randomNormal(splitStream(createStream(2), name), leaf.shape), 0.1)),
);
const { strong } = bindNetworks(params, config);
const options = { sampler: 'few-step', numSteps: 2, labels: [3, 1, 4, 1, 5], seed: 7 } as const;

describe('sampleClips', () => {
  it.each(SAMPLERS)('gives one clip per label with the %s sampler and leaves no tensors', (sampler) => {
    const before = tf.memory().numTensors;
    const clips = sampleClips(strong, config, { ...options, sampler });
    expect(clips.shape).toEqual([5, 2, 8, 8, 1]);
    expect(tf.memory().numTensors).toBe(before);
    expect(sampleClips(strong, config, { ...options, sampler }).data).toEqual(clips.data);
    expect(sampleClips(strong, config, { ...options, sampler, seed: 8 }).data).not.toEqual(clips.data);
  });

  it('makes clip i the same in any batch, up to rounding', () => {
    const whole = sampleClips(strong, config, options).data;
    const done: number[] = [];
    const parts = sampleClips(strong, config, { ...options, batchSize: 2, onBatch: (n) => done.push(n) }).data;
    expect(done).toEqual([2, 4, 5]);
    expect(Math.max(...whole.map((value, i) => Math.abs(value - parts[i]!)))).toBeLessThanOrEqual(1);
  });

  it('refuses labels, steps and networks that cannot be', () => {
    expect(() => sampleClips(strong, config, { ...options, labels: [11] })).toThrow('label 0 is 11');
    expect(() => sampleClips(strong, config, { ...options, numSteps: 0 })).toThrow('numSteps is 0');
    const broken: Network = ({ noisy }) => tf.fill(noisy.shape, Number.NaN);
    expect(() => sampleClips(broken, config, options)).toThrow('NaN');
  });
});

describe('cycleLabels', () => {
  it('goes round the classes', () => expect(cycleLabels(5, 3)).toEqual([0, 1, 2, 0, 1]));
});
