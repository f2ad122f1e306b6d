import { createStream, randomNormal } from '@eflow/tensor';
import { expectClose, expectGradients, expectNoLeak } from '@eflow/testing';
import * as tf from '@tensorflow/tfjs-core';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { patchify, unpatchify } from './patchify.ts';

/** Clips of so many patches. */
const caseOf = (grid: number[], patchSize: [number, number, number], channels: number) => ({
  config: { patchSize, channels },
  clip: { numFrames: grid[0]! * patchSize[0], height: grid[1]! * patchSize[1], width: grid[2]! * patchSize[2] },
});

describe('patchify', () => {
  it('orders tokens by frame, row, column and keeps each patch whole', () => {
    const { config, clip } = caseOf([2, 3, 5], [2, 3, 2], 3);
    const [F, H, W, C] = [clip.numFrames, clip.height, clip.width, config.channels];
    const clips = tf.reshape(tf.range(0, 2 * F * H * W * C), [2, F, H, W, C]);
    const pixel = (b: number, f: number, h: number, w: number, c: number) => (((b * F + f) * H + h) * W + w) * C + c;
    const expected: number[] = [];
    for (let b = 0; b < 2; b++)
      for (let t = 0; t < 2; t++)
        for (let y = 0; y < 3; y++)
          for (let x = 0; x < 5; x++)
            for (let f = 0; f < 2; f++)
              for (let h = 0; h < 3; h++)
                for (let w = 0; w < 2; w++)
                  for (let c = 0; c < 3; c++) expected.push(pixel(b, t * 2 + f, y * 3 + h, x * 2 + w, c));
    const tokens = patchify(config, clips);
    expect(tokens.shape).toEqual([2, 30, 36]);
    expectClose(tokens, expected, { rtol: 0, atol: 0 });
    expectNoLeak(() => patchify(config, clips));
  });

  it('is undone by unpatchify, for any grid and patch', () => {
    const size = fc.integer({ min: 1, max: 3 });
    fc.assert(
      fc.property(fc.tuple(size, size, size), fc.tuple(size, size, size), size, (grid, patch, channels) => {
        const { config, clip } = caseOf(grid, patch, channels);
        const clips = randomNormal(createStream(1), [2, clip.numFrames, clip.height, clip.width, channels]);
        expectClose(unpatchify(config, patchify(config, clips), clip), clips, { rtol: 0, atol: 0 });
      }),
      { numRuns: 30 },
    );
  });

  it('has gradients both ways', () => {
    const { config, clip } = caseOf([1, 2, 2], [2, 1, 2], 1);
    const clips = randomNormal(createStream(2), [2, 2, 2, 4, 1]);
    expectGradients((x) => patchify(config, x!), [clips]);
    expectGradients((x) => unpatchify(config, x!, clip), [patchify(config, clips)]);
  });

  it('refuses clips that patches do not divide, and tokens of another clip', () => {
    const { config, clip } = caseOf([1, 1, 1], [2, 2, 2], 1);
    expect(() => patchify(config, tf.zeros([1, 2, 2, 3, 1]))).toThrow('width 3 is not a multiple of its patch, 2');
    expect(() => patchify(config, tf.zeros([1, 2, 2, 2, 3]))).toThrow('patchify: expected clips [B, F, H, W, 1]');
    expect(() => unpatchify(config, tf.zeros([1, 2, 8]), clip)).toThrow('unpatchify: expected tokens [B, 1, 8]');
  });
});
