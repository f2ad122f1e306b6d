import { createStream, randomNormal } from '@eflow/tensor';
import { expectClose, expectGradients, expectNoLeak } from '@eflow/testing';
import * as tf from '@tensorflow/tfjs-core';
import { describe, expect, it } from 'vitest';
import { gatherBlocks } from './gather-blocks.ts';

describe('gatherBlocks', () => {
  const x = randomNormal(createStream(1), [2, 5, 3, 2]);
  const picked = tf.tensor3d(
    [
      [
        [4, 0],
        [0, 0],
        [1, 4],
      ],
      [
        [2, 3],
        [3, 2],
        [0, 3],
      ],
    ],
    [2, 3, 2],
    'int32',
  );

  it('takes the blocks of each example in the order asked for', () => {
    const blocks = x.arraySync() as number[][][][];
    const expected = (picked.arraySync() as number[][][]).flatMap((rows, a) =>
      rows.flatMap((row) => row.flatMap((block) => blocks[a]![block]!.flat())),
    );
    const gathered = gatherBlocks(x, picked);
    expect(gathered.shape).toEqual([2, 3, 6, 2]);
    expectClose(gathered, expected, { rtol: 0, atol: 0 });
  });

  it('adds up the gradients of a block that was taken more than once', () => {
    expectGradients((at) => gatherBlocks(at!, picked), [x]);
    const counts = tf.grad((at: tf.Tensor) => tf.sum(gatherBlocks(at, picked)))(x);
    const times = [3, 1, 0, 0, 2, 1, 0, 2, 3, 0];
    expectClose(
      counts,
      times.flatMap((n) => Array(6).fill(n)),
    );
  });

  it('leaves no tensors behind, forward or backward', () => {
    expectNoLeak(() => gatherBlocks(x, picked));
    expectNoLeak(() => tf.grad((at: tf.Tensor) => tf.sum(tf.square(gatherBlocks(at, picked))))(x));
  });
});
