import { createStream, disposeTree, mapTree, randomUniform, splitStream, treeEntries } from '@eflow/tensor';
import { expectClose, expectGradients, expectNoLeak } from '@eflow/testing';
import * as tf from '@tensorflow/tfjs-core';
import { afterAll, describe, expect, it } from 'vitest';
import { factorClassifier, initFactorClassifier } from './factor-classifier.ts';

const stream = createStream(7);
const factors = { animal: ['cat', 'dog', 'cow'], size: ['big', 'small'] };
/** Parameters whose biases are not 0 either, as after training. */
const params = tf.tidy(() =>
  mapTree(initFactorClassifier(stream, { channels: 3, factors }), (leaf, name) =>
    tf.keep(
      name.endsWith('bias') ? tf.mul(tf.sub(randomUniform(splitStream(stream, name), leaf.shape), 0.5), 0.4) : leaf,
    ),
  ),
);
const clips = tf.tidy(() => tf.sub(tf.mul(randomUniform(splitStream(stream, 'clips'), [2, 3, 4, 5, 3]), 2), 1));
afterAll(() => {
  disposeTree(params);
  clips.dispose();
});

/** A convolution of 3x3x3 by its definition, on nested arrays; with strides, 'same' padding puts more at the end than at the start. */
function convolve(
  x: number[][][][],
  { weight, bias }: { weight: tf.Tensor; bias: tf.Tensor },
  strides: readonly number[],
): number[][][][] {
  const kernel = weight.arraySync() as number[][][][][];
  const start = bias.arraySync() as number[];
  const sizes = [x.length, x[0]!.length, x[0]![0]!.length];
  const out = sizes.map((size, axis) => Math.ceil(size / strides[axis]!));
  const before = sizes.map((size, axis) => Math.floor(Math.max(0, (out[axis]! - 1) * strides[axis]! + 3 - size) / 2));
  const range = (count: number) => Array.from({ length: count }, (_, i) => i);
  return range(out[0]!).map((f) =>
    range(out[1]!).map((h) =>
      range(out[2]!).map((w) =>
        start.map((first, channel) => {
          let sum = first;
          for (const [a, plane] of kernel.entries())
            for (const [b, line] of plane.entries())
              for (const [c, taps] of line.entries()) {
                const pixel =
                  x[f * strides[0]! + a - before[0]!]?.[h * strides[1]! + b - before[1]!]?.[
                    w * strides[2]! + c - before[2]!
                  ];
                if (pixel) for (const [i, tap] of taps.entries()) sum += pixel[i]! * tap[channel]!;
              }
          return sum > 0 ? sum : Math.expm1(sum);
        }),
      ),
    ),
  );
}

describe('factorClassifier', () => {
  it.each([
    [[2, 3, 4, 5, 3], 1],
    [[1, 2, 31, 33, 3], 1],
    [[1, 2, 32, 33, 3], 2], // halved by the first convolution
  ])('agrees with convolutions by their definition on clips %j', (shape, first) => {
    const large = tf.tidy(() => tf.sub(tf.mul(randomUniform(splitStream(stream, 'large'), shape), 2), 1));
    const { features, logits } = factorClassifier(params, large);
    const expected = (large.arraySync() as number[][][][][]).map((clip) => {
      let maps = clip.map((frame) => frame.map((line) => line.map((pixel) => pixel.map((value) => (value + 1) / 2))));
      params.stages.forEach((stage, i) => {
        const side = i === 0 ? first : 2;
        maps = convolve(maps, stage, [i < 2 ? 1 : 2, side, side]);
      });
      const places = maps.flat(2);
      return places[0]!.map((_, i) => places.reduce((sum, place) => sum + place[i]!, 0) / places.length);
    });
    expectClose(features, expected.flat(), { rtol: 1e-4, atol: 1e-5 });
    expect([logits.animal!.shape, logits.size!.shape]).toEqual([
      [shape[0], 3],
      [shape[0], 2],
    ]);
    const { weight, bias } = params.heads.animal!;
    expectClose(
      logits.animal!,
      tf.tidy(() => tf.add(tf.matMul(features, weight), bias)),
      { rtol: 1e-5, atol: 1e-6 },
    );
    tf.dispose([features, logits, large]);
  });

  it('has the right gradient of every parameter and of the clips', () => {
    const both = (value: typeof params, of: tf.Tensor) => {
      const { logits } = factorClassifier(value, of);
      return tf.concat([logits.animal!, logits.size!], 1);
    };
    for (const [name, leaf] of treeEntries(params))
      expectGradients(
        (value) =>
          both(
            mapTree(params, (old, at) => (at === name ? value : old)),
            clips,
          ),
        [leaf],
      );
    expectGradients((x) => both(params, x), [clips]);
  });

  it('takes clips down to one pixel of one frame', () => {
    tf.tidy(() => {
      const { features, logits } = factorClassifier(params, tf.ones([3, 1, 1, 1, 3]));
      expect([features.shape, logits.size!.shape]).toEqual([
        [3, 128],
        [3, 2],
      ]);
      expect(Number.isFinite(tf.sum(features).dataSync()[0])).toBe(true);
    });
  });

  it('leaves no tensor behind', () => {
    expectNoLeak(() => {
      const { features, logits } = factorClassifier(params, clips);
      return [features, ...Object.values(logits)];
    });
  });

  it('refuses clips of another shape, whole pixels, and none', () => {
    tf.tidy(() => {
      const of =
        (...shape: number[]) =>
        () =>
          factorClassifier(params, tf.zeros(shape));
      expect(of(1, 2, 4, 4, 1)).toThrow('expected clips [B, F, H, W, 3], got [1, 2, 4, 4, 1]');
      expect(of(0, 2, 4, 4, 3)).toThrow('clips [0, 2, 4, 4, 3] are empty');
      const pixels = tf.tensor(new Uint8Array(48), [1, 1, 4, 4, 3]);
      expect(() => factorClassifier(params, pixels)).toThrow('clips are int32; expected float32 in [-1, 1]');
    });
  });
});
