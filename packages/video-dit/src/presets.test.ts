import { readFileSync } from 'node:fs';
import { createStream, disposeTree, randomNormal } from '@eflow/tensor';
import * as tf from '@tensorflow/tfjs-core';
import { describe, expect, it } from 'vitest';
import { validateConfig } from './config.ts';
import { countNetwork } from './count.ts';
import { initVideoDiT } from './params.ts';
import { splitDepth, VIDEO_DIT_PRESETS } from './presets.ts';
import { videoDiT } from './video-dit.ts';

const presets = Object.entries(VIDEO_DIT_PRESETS);
const ofData = { channels: 4, numClasses: 101 };

describe('VIDEO_DIT_PRESETS', () => {
  it.each(presets)('%s is a config once channels and classes are added', (_name, preset) => {
    validateConfig({ ...preset, ...ofData });
  });

  it('makes networks that run, on videos and on images', () => {
    const config = { ...VIDEO_DIT_PRESETS['VideoDiT-Ti'], ...ofData };
    const params = initVideoDiT(createStream(1), config);
    for (const shape of [
      [1, 3, 4, 8, 4],
      [1, 1, 6, 2, 4],
    ]) {
      const noisy = randomNormal(createStream(2), shape);
      const condition = { labels: tf.ones([1], 'int32') };
      const input = { noisy, timestep: tf.ones([1]), targetTimestep: tf.zeros([1]), condition };
      expect(tf.tidy(() => videoDiT(params, config, input)).shape).toEqual(shape);
    }
    disposeTree(params);
  });

  it("has the README's counts", () => {
    const readme = readFileSync(new URL('../README.md', import.meta.url), 'utf8');
    const table = readme.split('\n').filter((line) => line.startsWith('| VideoDiT-'));
    const clip = { numFrames: 16, height: 32, width: 32 };
    const rows = presets.map(([name, preset]) => {
      const dense = countNetwork({ ...preset, ...ofData }, clip);
      const dropped = countNetwork({ ...preset, ...ofData }, clip, { keepRatio: 0.25 });
      const flops = [dense.forwardFlops, dense.weakFlops, dropped.forwardFlops].map((n) => (n / 1e9).toFixed(0));
      const sizes = [preset.hiddenSize, preset.numHeads, preset.depth.join(' + ')];
      return `| ${[name, ...sizes, `${(dense.parameters / 1e6).toFixed(1)} M`, ...flops].join(' | ')} |`;
    });
    expect(table).toEqual(rows);
  });
});

describe('splitDepth', () => {
  it('splits 1 : 4 : 1', () => {
    expect([6, 12, 24].map(splitDepth)).toEqual([
      [1, 4, 1],
      [2, 8, 2],
      [4, 16, 4],
    ]);
  });

  it.each([
    [
      28,
      'depth 28 does not split 1 : 4 : 1 into encoder, middle and decoder; expected a multiple of 6, such as 24 or 30',
    ],
    [4, 'such as 6, or three depths'],
    [0, 'such as 6, or'],
    [-12, 'depth -12'],
    [12.5, 'such as 12 or 18'],
    [Number.NaN, 'depth NaN'],
  ])('refuses %d', (total, message) => {
    expect(() => splitDepth(total)).toThrow(message);
  });
});
