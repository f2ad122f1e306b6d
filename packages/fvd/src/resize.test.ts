import { expectClose } from '@eflow/testing';
import * as tf from '@tensorflow/tfjs-core';
import { describe, expect, it } from 'vitest';
import fixtures from '../fixtures/resize.json' with { type: 'json' };
import { type ResizeRule, resizeClips, resizeWeights } from './resize.ts';

const [F, C] = [2, 2];

describe('resizeClips', () => {
  it.each(fixtures.cases)(
    '$rule, $from -> $to: as $with (reference/resize_fixtures.py)',
    ({ rule, from, to, values, input }) => {
      const before = tf.memory().numTensors;
      const clips = tf.tensor(input, [1, F, from[0]!, from[1]!, C], 'float32');
      const resized = resizeClips(clips, to[0]!, to[1]!, rule as ResizeRule);
      expect(resized.shape).toEqual([1, F, to[0], to[1], C]);
      expectClose(resized, values, { rtol: 0, atol: 5e-4 }); // of 255: both compute in float32
      tf.dispose([clips, resized]);
      expect(tf.memory().numTensors).toBe(before);
    },
  );

  it('leaves frames of the size that is asked for as they are, and flat ones flat', () => {
    const clips = tf.randomUniform([1, 2, 5, 7, 3]);
    for (const rule of ['bilinear-corner', 'bilinear', 'bilinear-antialias'] as const) {
      expectClose(resizeClips(clips, 5, 7, rule), clips, { rtol: 0, atol: 0 });
      expectClose(resizeClips(tf.fill([1, 1, 9, 5, 1], 42), 4, 11, rule), tf.fill([44], 42), { rtol: 1e-6 });
      const sums = tf.sum(resizeWeights(13, 5, rule), 1);
      expectClose(sums, [1, 1, 1, 1, 1], { rtol: 1e-6 });
    }
  });

  it('refuses sizes below 1', () => {
    expect(() => resizeClips(tf.zeros([1, 1, 2, 2, 3]), 0, 4, 'bilinear')).toThrow('height is 0');
    expect(() => resizeClips(tf.zeros([1, 2, 2, 3]), 4, 4, 'bilinear')).toThrow('expected clips [B, F, H, W, C]');
  });
});
