import * as tf from '@tensorflow/tfjs-core';
import { describe, expect, it } from 'vitest';
import { readScalars, uploadScalars } from './scalars.ts';
import { disposeTree, treeEntries } from './tree.ts';

describe('uploadScalars', () => {
  it('makes float32 scalars under the same names, one for each number', () => {
    const before = tf.memory().numTensors;
    const scalars = uploadScalars({ rates: { decay: 0.75, step: 3 }, share: -2 });
    expect(treeEntries(scalars).map(([name, x]) => [name, x.dtype, x.shape, x.dataSync()[0]])).toEqual([
      ['rates.decay', 'float32', [], 0.75],
      ['rates.step', 'float32', [], 3],
      ['share', 'float32', [], -2],
    ]);
    expect(tf.memory().numTensors).toBe(before + 3);
    disposeTree(scalars);
    expect(tf.memory().numTensors).toBe(before);
  });

  it('takes a lone number', () => {
    const scalar: tf.Scalar = uploadScalars(1.5);
    expect(scalar.dataSync()[0]).toBe(1.5);
    scalar.dispose();
  });
});

describe('readScalars', () => {
  it('is the way back, and frees the scalars', () => {
    const before = tf.memory().numTensors;
    const numbers = readScalars(uploadScalars({ loss: 0.5, gradNorm: Number.POSITIVE_INFINITY, broken: Number.NaN }));
    expect(numbers).toEqual({ loss: 0.5, gradNorm: Number.POSITIVE_INFINITY, broken: Number.NaN });
    expect(tf.memory().numTensors).toBe(before);
  });
});
