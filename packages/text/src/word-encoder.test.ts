import { createStream, ravel, splitStream } from '@eflow/tensor';
import { expectClose, expectGradients, expectNoLeak } from '@eflow/testing';
import * as tf from '@tensorflow/tfjs-core';
import { describe, expect, it } from 'vitest';
import type { Words } from './vocabulary.ts';
import { initWordEncoder, wordEncoder } from './word-encoder.ts';

const config = { vocabulary: ['a', 'b', 'c', 'd', 'e'], width: 12, depth: 2, numHeads: 2 };
const params = initWordEncoder(createStream(3), config);
/** Rows of numbers of words, padded. */
function words(rows: number[][], length = 4): Words {
  const padded = rows.map((row) => [...row, ...Array(length - row.length).fill(config.vocabulary.length)]);
  const mask = rows.map((row) => Array.from({ length }, (_, i) => i < row.length));
  return { words: tf.tensor2d(padded, undefined, 'int32'), mask: tf.tensor2d(mask, undefined, 'bool') };
}
const encode = (rows: number[][], length?: number) => wordEncoder(params, config, words(rows, length));
const row = (states: tf.Tensor, clip: number, count: number) =>
  tf.slice(states, [clip, 0, 0], [1, count, config.width]);

type Vector = number[];
const dot = (a: Vector, b: Vector) => a.reduce((sum, x, i) => sum + x * b[i]!, 0);
const times = (x: Vector, { weight, bias }: { weight: tf.Tensor2D; bias: tf.Tensor1D }): Vector => {
  const [w, b] = [weight.arraySync(), bias.arraySync()];
  return b.map((start, j) => x.reduce((sum, value, i) => sum + value * w[i]![j]!, start));
};
const norm = (x: Vector): Vector => {
  const mean = x.reduce((sum, value) => sum + value, 0) / x.length;
  const centred = x.map((value) => value - mean);
  return centred.map((value) => value / Math.sqrt(dot(centred, centred) / x.length + 1e-6));
};
const gelu = (x: number) => 0.5 * x * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * x ** 3)));

/** The states of one caption, word by word. */
function oracle(caption: number[]): Vector[] {
  const table = params.embedder.table.arraySync();
  const D = config.width / config.numHeads;
  let h = caption.map((word) => table[word]!);
  /** A head's part, its mean square 1, its only pair that time turns turned by the word's place. */
  const turned = (x: Vector, place: number) => {
    const scaled = x.map((value) => value / Math.sqrt(dot(x, x) / D + 1e-6));
    const [a, b] = [scaled[0]!, scaled[D / 2]!];
    scaled[0] = a * Math.cos(place) - b * Math.sin(place);
    scaled[D / 2] = b * Math.cos(place) + a * Math.sin(place);
    return scaled;
  };
  for (const { attn, mlp } of params.blocks) {
    const qkv = h.map((x) => times(norm(x), attn.qkv));
    const heads = caption.map((_, i) =>
      Array.from({ length: config.numHeads }, (_, head) => {
        const part = (which: number, word: number) =>
          qkv[word]!.slice(which * config.width + head * D, which * config.width + (head + 1) * D);
        const scores = caption.map((_, j) =>
          Math.exp(dot(turned(part(0, i), i), turned(part(1, j), j)) / Math.sqrt(D)),
        );
        const total = scores.reduce((sum, score) => sum + score, 0);
        return part(2, 0).map((_, d) => scores.reduce((sum, score, j) => sum + (score / total) * part(2, j)[d]!, 0));
      }).flat(),
    );
    h = h.map((x, i) => times(heads[i]!, attn.proj).map((value, d) => value + x[d]!));
    h = h.map((x) => times(times(norm(x), mlp.fc1).map(gelu), mlp.fc2).map((value, d) => value + x[d]!));
  }
  return h.map(norm);
}

describe('wordEncoder', () => {
  it('is what the formulas say, word by word', () => {
    for (const caption of [[2, 0, 4], [3], [1, 1, 5, 0]]) {
      expectClose(row(encode([caption]), 0, caption.length), oracle(caption).flat(), { rtol: 1e-4, atol: 1e-5 });
    }
  });

  it('does not see where there is no word, nor the other captions', () => {
    const captions = [[2, 0, 4], [1]];
    const states = encode(captions);
    expectClose(row(encode(captions, 24), 0, 3), row(states, 0, 3).dataSync());
    expectClose(row(encode(captions.toReversed()), 1, 3), row(states, 0, 3).dataSync());
    const { words: numbers, mask } = words(captions);
    const others = tf.where(mask, numbers, tf.fill(numbers.shape, 3, 'int32')) as tf.Tensor2D;
    expectClose(row(wordEncoder(params, config, { words: others, mask }), 1, 1), row(states, 1, 1).dataSync());
  });

  it('tells orders apart, and a word by the others', () => {
    const difference = (a: number[], b: number[]) =>
      tf.max(tf.abs(tf.sub(row(encode([a]), 0, 2), row(encode([b]), 0, 2)))).dataSync()[0]!;
    // The same words in another order, compared word by word.
    const swapped = tf.reverse(row(encode([[1, 2]]), 0, 2), 1);
    expect(tf.max(tf.abs(tf.sub(swapped, row(encode([[2, 1]]), 0, 2)))).dataSync()[0]).toBeGreaterThan(1e-2);
    expect(difference([1, 2], [1, 3])).toBeGreaterThan(1e-2);
    const first = (caption: number[]) => tf.slice(row(encode([caption]), 0, 1), [0, 0, 0]);
    expect(tf.max(tf.abs(tf.sub(first([1, 2]), first([1, 3])))).dataSync()[0]).toBeGreaterThan(1e-2);
  });

  it('has the gradients of every parameter, and leaves no tensor', () => {
    const { vector, unravel } = ravel(params);
    const caption = words([[2, 0, 4], [1]]);
    const run = (x: tf.Tensor) => wordEncoder(unravel(x as tf.Tensor1D), config, caption);
    // Words start small and are normalised, so that a small step turns them far.
    expectGradients((x) => tf.slice(run(x!), [0, 0, 0], [1, 3, config.width]), [vector], { epsilon: 1e-3 });
    expectNoLeak(() => wordEncoder(params, config, caption));
  });

  it('without blocks gives each word by itself', () => {
    const shallow = { ...config, depth: 0 };
    const own = initWordEncoder(splitStream(createStream(3), 1), shallow);
    const states = wordEncoder(own, shallow, words([[1, 2, 1]]));
    expectClose(tf.slice(states, [0, 0, 0], [1, 1, 12]), tf.slice(states, [0, 2, 0], [1, 1, 12]).dataSync());
    expect(own.blocks).toEqual([]);
  });

  it.each([
    [{ vocabulary: [] }, 'the vocabulary has 0 words; expected 1 to 8192, each once'],
    [{ vocabulary: ['a', 'b', 'a'] }, 'the vocabulary has 3 words; expected 1 to 8192, each once'],
    [{ vocabulary: ['a', 'Big'] }, 'the vocabulary has "Big"; expected words in small letters'],
    [{ width: 0 }, 'width is 0; expected an integer of at least 1'],
    [{ depth: -1 }, 'depth is -1; expected an integer of at least 0'],
    [{ numHeads: 5 }, 'width is 12 and numHeads 5; expected a width of an even number of at least 6 for each head'],
    [{ heads: 2 }, 'heads'],
  ])('refuses sizes that cannot be: %j', (change, message) => {
    expect(() => initWordEncoder(createStream(0), { ...config, ...change })).toThrow(message);
  });

  it('refuses a mask of another shape', () => {
    const { words: numbers } = words([[1]]);
    expect(() => wordEncoder(params, config, { words: numbers, mask: tf.ones([1, 3], 'bool') })).toThrow(
      'expected mask [1, 4], got [1, 3]',
    );
  });
});
