import { createStream, randomBits, randomNormal, randomUniform, splitStream, uploadStream } from '@eflow/tensor';
import * as tf from '@tensorflow/tfjs-core';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { expectSame } from '../../fixtures/compiled-oracle.ts';
import { expectRefusal } from '../../fixtures/refusals.ts';
import { compile } from './compile.ts';

type T = tf.Tensor;
type Fn = (x: T) => tf.Tensor;

beforeEach(() => tf.engine().startScope());
afterEach(() => tf.engine().endScope());

it.each<[string, Fn]>([
  ['randomNormal', () => tf.randomNormal([3])],
  ['randomUniform', () => tf.randomUniform([3])],
  ['randomStandardNormal', () => tf.randomStandardNormal([3])],
  ['randomUniformInt', () => tf.randomUniformInt([3], 0, 5)],
  ['randomGamma', () => tf.randomGamma([3], 2)],
  ['truncatedNormal', () => tf.truncatedNormal([3])],
  ['rand', () => tf.rand([3], Math.random)],
  ['dropout', (y) => tf.dropout(y, 0.5)],
])('tf.%s', (_, fn) => {
  expectRefusal(fn, /tf\.\w+ at /, 'from a stream that is an argument');
});

it('tf.multinomial', () => {
  expectRefusal((y) => tf.multinomial(y as tf.Tensor2D, 3), 'tf.multinomial', 'from a stream that is an argument');
});

it('draws from a seed that does not change', () => {
  const outside = uploadStream(createStream(1));
  const draws: Fn[] = [
    () => randomNormal(createStream(1), [3]),
    () => randomNormal(splitStream(createStream(1), 'noise'), [3]),
    () => randomNormal(uploadStream(createStream(1)), [3]),
    () => randomNormal(outside, [3]),
    () => randomNormal(splitStream(outside, 'noise'), [3]),
  ];
  for (const fn of draws) expectRefusal(fn, 'random draw', 'uploadStream of @eflow/tensor');
  outside.seed.dispose();
});

it('draws from a stream that is an argument are those of eager, and differ from stream to stream', () => {
  const fn = ({ seed }: { seed: tf.Tensor1D }) =>
    tf.tidy(() => [randomNormal({ seed }, [5]), randomNormal(splitStream(splitStream({ seed }, 'a'), 3), [5])]);
  const compiled = compile(fn);
  const [first, second] = [uploadStream(createStream(1)), uploadStream(createStream(2))];
  for (const stream of [first, second]) {
    const [actual, expected] = [compiled(stream), fn(stream)];
    for (const [i, values] of expected.entries()) expect(actual[i]!.dataSync()).toEqual(values.dataSync());
  }
  expect(compiled(first)[0]!.dataSync()).not.toEqual(compiled(second)[0]!.dataSync());
});
it('XLA draws the numbers of eager', () => {
  const draw = (seed: T) => {
    const stream = splitStream({ seed: seed as tf.Tensor1D }, 'x');
    const shapes = [[], [7], [20, 30], [0, 3]];
    return shapes.flatMap((shape) => [randomBits, randomUniform, randomNormal].map((of) => of(stream, shape)));
  };
  const compiled = compile(draw, { xla: true });
  const [largest, smallest] = [2 ** 31 - 1, -(2 ** 31)];
  for (const words of [
    [4, 5],
    [-4, largest],
    [7, -1],
    [smallest, -9],
  ]) {
    const seed = tf.tensor1d(words, 'int32');
    expectSame(compiled(seed), draw(seed));
  }
});
