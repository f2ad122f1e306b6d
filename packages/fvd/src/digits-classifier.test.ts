import { createStream, disposeTree, mapTree, randomUniform, splitStream, treeEntries } from '@eflow/tensor';
import { expectClose, expectGradients, expectNoLeak } from '@eflow/testing';
import * as tf from '@tensorflow/tfjs-core';
import { afterAll, describe, expect, it } from 'vitest';
import { digitsClassifier, initDigitsClassifier } from './digits-classifier.ts';

const stream = createStream(7);

/** Parameters whose biases are not 0 either, as after training. */
const params = tf.tidy(() =>
  mapTree(initDigitsClassifier(stream), (leaf, name) =>
    tf.keep(
      name.endsWith('bias') ? tf.mul(tf.sub(randomUniform(splitStream(stream, name), leaf.shape), 0.5), 0.4) : leaf,
    ),
  ),
);
const randomClips = (shape: number[], label = 'clips') =>
  tf.tidy(() => tf.sub(tf.mul(randomUniform(splitStream(stream, label), shape), 2), 1)) as tf.Tensor5D;

const [B, F, H, W] = [2, 3, 5, 7];
const clips = randomClips([B, F, H, W, 1]);

afterAll(() => {
  disposeTree(params);
  clips.dispose();
});

describe('digitsClassifier', () => {
  it('agrees with a two-dimensional network that sees each frame and its neighbours as three channels', () => {
    tf.tidy(() => {
      const ink = tf.div(tf.add(clips, 1), 2);
      const none = tf.zeros([B, 1, H, W, 1]);
      const padded = tf.concat([none, ink, none], 1);
      const neighbours = [0, 1, 2].map((offset) => tf.slice(padded, [0, offset, 0, 0, 0], [B, F, H, W, 1]));
      let maps = tf.reshape(tf.concat(neighbours, -1), [B * F, H, W, 3]) as tf.Tensor4D;
      const layers = [{ ...params.motion, weight: tf.reshape(params.motion.weight, [3, 9, 1, 16]) }, ...params.stages];
      layers.forEach(({ weight, bias }, i) => {
        // [time, y * x, in, out] to [y, x, time, out]: time takes the place of the input channels.
        const kernel = i === 0 ? tf.reshape(tf.transpose(weight, [1, 0, 2, 3]), [3, 3, 3, 16]) : weight;
        maps = tf.elu(tf.add<tf.Tensor4D>(tf.conv2d(maps, kernel as tf.Tensor4D, i === 0 ? 1 : 2, 'same'), bias));
      });
      const frames = tf.mean(maps, [1, 2]);
      const { features, frameLogits } = digitsClassifier(params, clips);
      expectClose(features, tf.mean(tf.reshape(frames, [B, F, 64]), 1), { rtol: 1e-4, atol: 1e-5 });
      const rows = tf.add(tf.matMul(frames, params.head.weight), params.head.bias);
      expectClose(frameLogits, rows, { rtol: 1e-4, atol: 1e-5 });
    });
  });

  it('has the right gradient of every parameter and of the clips', () => {
    for (const [name, leaf] of treeEntries(params)) {
      const withLeaf = (value: tf.Tensor) => mapTree(params, (old, at) => (at === name ? value : old));
      expectGradients((value) => digitsClassifier(withLeaf(value), clips).frameLogits, [leaf]);
    }
    expectGradients((x) => digitsClassifier(params, x).features, [clips]);
  });

  it('judges a frame from itself and its two neighbours alone', () => {
    tf.tidy(() => {
      const longer = randomClips([1, 7, H, W, 1], 'longer');
      const other = randomClips([1, 1, H, W, 1], 'other');
      const changed = tf.concat(
        [tf.slice(longer, 0, [1, 3, H, W, 1]), other, tf.slice(longer, [0, 4], [1, 3, H, W, 1])],
        1,
      );
      const moved = tf.sub(digitsClassifier(params, changed).frameLogits, digitsClassifier(params, longer).frameLogits);
      const perFrame = tf.max(tf.abs(moved), -1).arraySync() as number[][];
      expect(perFrame[0]!.map((change) => change > 1e-3)).toEqual([false, false, true, true, true, false, false]);
      expectClose(
        [0, 1, 5, 6].map((frame) => perFrame[0]![frame]!),
        [0, 0, 0, 0],
        { atol: 1e-6 },
      );
    });
  });

  it('takes the clip to stand between empty frames', () => {
    tf.tidy(() => {
      const empty = tf.fill([B, 2, H, W, 1], -1);
      const longer = digitsClassifier(params, tf.concat([empty, clips, empty], 1)).frameLogits;
      expectClose(tf.slice(longer, [0, 2, 0], [B, F, 10]), digitsClassifier(params, clips).frameLogits);
    });
  });

  it('gives logits that are the mean over frames, and the head of the features', () => {
    tf.tidy(() => {
      const { features, frameLogits, logits } = digitsClassifier(params, clips);
      expectClose(logits, tf.mean(frameLogits, 1));
      expectClose(logits, tf.add(tf.matMul(features, params.head.weight), params.head.bias), {
        rtol: 1e-4,
        atol: 1e-5,
      });
    });
  });

  it('takes clips down to one pixel of one frame', () => {
    tf.tidy(() => {
      const { features, frameLogits, logits } = digitsClassifier(params, tf.ones([3, 1, 1, 1, 1]));
      expect([features.shape, frameLogits.shape, logits.shape]).toEqual([
        [3, 64],
        [3, 1, 10],
        [3, 10],
      ]);
      expect(Number.isFinite(tf.sum(features).dataSync()[0])).toBe(true);
    });
  });

  it('leaves no tensor behind', () => {
    expectNoLeak(() => Object.values(digitsClassifier(params, clips)));
    expectNoLeak(() => treeEntries(initDigitsClassifier(stream)).map(([, leaf]) => leaf));
  });

  it('starts from the same weights for the same stream, and from others for another', () => {
    const [first, again, other] = [stream, stream, createStream(8)].map(initDigitsClassifier);
    expectClose(again!.stages[1]!.weight, first!.stages[1]!.weight, { rtol: 0, atol: 0 });
    expect(() => expectClose(other!.stages[1]!.weight, first!.stages[1]!.weight, { atol: 0.1 })).toThrow();
    disposeTree([first!, again!, other!]);
  });

  it('refuses clips of another shape, whole pixels, and none', () => {
    tf.tidy(() => {
      const of =
        (...shape: number[]) =>
        () =>
          digitsClassifier(params, tf.zeros(shape));
      expect(of(1, 2, 4, 4, 3)).toThrow('expected clips [B, F, H, W, 1], got [1, 2, 4, 4, 3]');
      expect(of(2, 4, 4, 1)).toThrow('expected clips [B, F, H, W, 1], got [2, 4, 4, 1]');
      expect(of(0, 2, 4, 4, 1)).toThrow('clips [0, 2, 4, 4, 1] are empty');
      const pixels = tf.tensor(new Uint8Array(16), [1, 1, 4, 4, 1]);
      expect(() => digitsClassifier(params, pixels)).toThrow('clips are int32; expected float32 in [-1, 1]');
    });
  });
});
