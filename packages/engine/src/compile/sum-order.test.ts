import { createStream, randomNormal, splitStream } from '@eflow/tensor';
import * as tf from '@tensorflow/tfjs-core';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { compile } from './compile.ts';

type T = tf.Tensor;

const normal = (place: number) => randomNormal(splitStream(createStream(5), place), [1000]);
/** Sums of three tensors. */
const sums: Record<string, (x: T, y: T, z: T) => T> = {
  add: (x, y, z) => tf.add(tf.add(x, y), z),
  addN: (x, y, z) => tf.addN([x, y, z]),
};

beforeEach(() => tf.engine().startScope());
afterEach(() => tf.engine().endScope());

// TensorFlow adds in memory that nothing else reads. Where that is the last summand's, it must not become the first.
it.each(Object.entries(sums))('adds in the order that is written, whatever else reads the summands: %s', (_, sum) => {
  const [x, y, z] = [normal(0), normal(1), normal(2)];
  const expected = tf.add(tf.add(x, y), tf.square(z)).dataSync();
  expect(tf.add(tf.add(tf.square(z), y), x).dataSync()).not.toEqual(expected);
  const compiled = compile((x: T, y: T, z: T) => sum(x, y, tf.square(z)));
  expect(compiled(x, y, z).dataSync()).toEqual(expected);
  compiled.dispose();
});
