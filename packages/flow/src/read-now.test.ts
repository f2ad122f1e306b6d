import { compile } from '@eflow/engine';
import * as tf from '@tensorflow/tfjs-core';
import { expect, it } from 'vitest';
import { assertOrder, assertTimes, readNow } from './read-now.ts';

it('readNow gives the values of a tensor', () => {
  expect(Array.from(readNow(tf.tensor1d([0.25, 0.5]))!)).toEqual([0.25, 0.5]);
});

it('readNow hands on an error of reading', () => {
  const disposed = tf.tensor1d([0.5]);
  disposed.dispose();
  expect(() => readNow(disposed)).toThrow('disposed');
  expect(() => assertTimes('here', 'timestep', disposed)).toThrow('disposed');
});

it('a function that is being traced has no values to read, so nothing is refused there', () => {
  const seen: unknown[] = [];
  const traced = compile((t: tf.Tensor, s: tf.Tensor) => {
    seen.push(readNow(t));
    assertTimes('traced', 'timestep', t);
    assertOrder('traced', ['timestep', 'targetTimestep'], t, s);
    return tf.sub(t, s);
  });
  const [t, s] = [tf.tensor1d([-7]), tf.tensor1d([5])];
  expect(() => assertTimes('eager', 'timestep', t)).toThrow('eager: timestep of row 0 is -7');
  expect(() => assertOrder('eager', ['timestep', 'targetTimestep'], t, s)).toThrow(
    'expected targetTimestep <= timestep',
  );
  expect(traced(t, s).dataSync()[0]).toBe(-12);
  expect(seen).toEqual([undefined]);
  traced.dispose();
});
