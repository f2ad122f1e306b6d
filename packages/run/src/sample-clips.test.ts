import { type Clips, createStream, mapTree, randomNormal, splitStream } from '@eflow/tensor';
import { type FullVideoDiTConfig, initVideoDiT } from '@eflow/video-dit';
import * as tf from '@tensorflow/tfjs-core';
import { describe, expect, it } from 'vitest';
import { videoDiTConfig } from './build.ts';
import { loadConfig } from './load-config.ts';
import { cycleLabels, sampleClips, sampleInBatches } from './sample-clips.ts';
import { createSample, SAMPLERS, type SampleFunction } from './samplers.ts';

const runConfig = loadConfig('digits-tiny', [
  'data.numFrames=2',
  'data.height=8',
  'data.width=8',
  'data.digitSize=7',
  'network.patchSize=2,4,4',
  'network.hiddenSize=12',
  'network.numHeads=2',
  'network.attention.windowSize=3',
]);
const config = videoDiTConfig(runConfig);
const params = mapTree(initVideoDiT(createStream(1), config), (leaf, name) =>
  tf.add(leaf, tf.mul(randomNormal(splitStream(createStream(2), name), leaf.shape), 0.1)),
);
const fewStep = createSample(config, runConfig.objective, { sampler: 'few-step', numSteps: 2 });
const options = { clip: runConfig.data, labels: [3, 1, 4, 1, 5], seed: 7 };

describe('sampleClips', () => {
  it.each(SAMPLERS)('gives one clip per label with the %s sampler and leaves no tensors', (sampler) => {
    const before = tf.memory().numTensors;
    const sample = createSample(config, runConfig.objective, { sampler, numSteps: 2 });
    const clips = sampleClips(sample, params, config, options);
    expect(clips.shape).toEqual([5, 2, 8, 8, 1]);
    expect(tf.memory().numTensors).toBe(before);
    expect(sampleClips(sample, params, config, options).pixels).toEqual(clips.pixels);
    expect(sampleClips(sample, params, config, { ...options, seed: 8 }).pixels).not.toEqual(clips.pixels);
  });

  it.each(SAMPLERS)('makes clip i the same in any batch with the %s sampler, up to rounding', (sampler) => {
    const sample = createSample(config, runConfig.objective, { sampler, numSteps: 3 });
    const whole = sampleClips(sample, params, config, options).pixels;
    for (const batchSize of [1, 2]) {
      const parts = sampleClips(sample, params, config, { ...options, batchSize }).pixels;
      expect(Math.max(...whole.map((value, i) => Math.abs(value - parts[i]!)))).toBeLessThanOrEqual(1);
    }
  });

  it('tells after every step how many clips are done', () => {
    const done: number[] = [];
    sampleClips(fewStep, params, config, { ...options, batchSize: 2, onStep: (clips) => done.push(clips) });
    expect(done).toEqual([1, 2, 3, 4, 4.5, 5]);
  });

  it('comes in batches, of which no more are sampled than are asked for', () => {
    const done: number[] = [];
    const batches = sampleInBatches(fewStep, params, config, {
      ...options,
      batchSize: 2,
      onStep: (clips) => done.push(clips),
    });
    const first = batches.next().value as Clips;
    expect(first.shape).toEqual([2, 2, 8, 8, 1]);
    expect(done).toEqual([1, 2]);
    const whole = sampleClips(fewStep, params, config, { ...options, batchSize: 2 });
    expect(Buffer.concat([first, ...batches].map(({ pixels }) => pixels))).toEqual(Buffer.from(whole.pixels));
  });

  it.each([
    { numFrames: 6, height: 12, width: 20 },
    { numFrames: 2, height: 4, width: 4 }, // one token, fewer than a window
  ])('gives clips of sizes that were not trained: %j', (clip) => {
    const { shape, pixels } = sampleClips(fewStep, params, config, { ...options, clip, labels: [3, 1] });
    expect(shape).toEqual([2, clip.numFrames, clip.height, clip.width, 1]);
    expect(new Set(pixels).size).toBeGreaterThan(10);
  });

  it('refuses labels, sizes, steps and networks that cannot be', () => {
    const odd = { ...options, clip: { numFrames: 2, height: 10, width: 8 } };
    expect(() => sampleClips(fewStep, params, config, odd)).toThrow('height 10 is not a multiple of its patch, 4');
    expect(() => sampleInBatches(fewStep, params, config, odd)).toThrow('height 10'); // at once, not at the first batch
    expect(() => sampleClips(fewStep, params, config, { ...options, labels: [11] })).toThrow('label 0 is 11');
    expect(() => createSample(config, runConfig.objective, { sampler: 'few-step', numSteps: 0 })).toThrow(
      'numSteps is 0',
    );
    const broken: SampleFunction = (_params, noise) => tf.fill(noise.shape, Number.NaN);
    expect(() => sampleClips(broken, params, config, options)).toThrow('NaN');
  });
});

describe('of a network that takes words', () => {
  const told: FullVideoDiTConfig = {
    ...config,
    numClasses: 0,
    words: { vocabulary: ['a', 'blue', 'digit', 'red'], width: 12, depth: 1, numHeads: 2 },
  };
  const drawn = mapTree(initVideoDiT(createStream(1), told), (leaf, name) =>
    tf.add(leaf, tf.mul(randomNormal(splitStream(createStream(2), name), leaf.shape), 0.1)),
  );
  const sample = createSample(told, runConfig.objective, { sampler: 'few-step', numSteps: 2 });
  const { labels: _, ...rest } = options;
  const captions = ['a red digit', 'digit', 'blue'];

  it('gives a clip for each caption, which depends on that alone, in batches as in one', () => {
    const clips = sampleClips(sample, drawn, told, { ...rest, captions });
    expect([clips.shape[0], clips.captions, clips.labels]).toEqual([3, captions, undefined]);
    expect(sampleClips(sample, drawn, told, { ...rest, captions, batchSize: 2 })).toEqual(clips);
    const changed = sampleClips(sample, drawn, told, { ...rest, captions: ['a blue digit', 'digit', 'blue'] });
    const size = clips.pixels.length / 3;
    expect(changed.pixels.slice(0, size)).not.toEqual(clips.pixels.slice(0, size));
    expect(changed.pixels.slice(size)).toEqual(clips.pixels.slice(size));
  });

  it('refuses labels, and captions that say nothing, at once', () => {
    expect(() => sampleInBatches(sample, drawn, told, { ...rest, labels: [1] })).toThrow('takes words; give captions');
    expect(() => sampleInBatches(sample, drawn, told, { ...rest, captions: ['red', ''] })).toThrow(
      'caption 2 is empty',
    );
    expect(() => sampleInBatches(sample, drawn, told, { ...rest, captions: ['rouge'] })).toThrow(
      'no word that is known',
    );
    expect(() => sampleInBatches(fewStep, params, config, { ...rest, captions })).toThrow('give labels');
  });
});

describe('cycleLabels', () => {
  it('goes round the classes', () => expect(cycleLabels(5, 3)).toEqual([0, 1, 2, 0, 1]));
});
