import { type Clips, inBatches } from '@eflow/tensor';
import { expectClose } from '@eflow/testing';
import * as tf from '@tensorflow/tfjs-core';
import { describe, expect, it } from 'vitest';
import { type Extractor, extractFeatures } from './extractor.ts';
import { fitFrames } from './i3d-extractor.ts';
import { assertComparable, isFvd, PROTOCOL_PRESETS, type Protocol } from './protocol.ts';

/** The features of a clip are its first pixel and how many frames it has. */
const extractor: Extractor = {
  name: 'test',
  weightsSha256: '0',
  feature: 'both',
  numFeatures: 2,
  minFrames: 3,
  channels: 3,
  async extract({ pixels, shape: [N, F, ...frame] }) {
    const bytes = [F, ...frame].reduce((a, b) => a * b);
    return { features: Float32Array.from({ length: 2 * N }, (_, i) => (i % 2 ? F : pixels[(i / 2) * bytes]!)) };
  },
};
const clips = (first: number[], [F, H, W, C] = [3, 2, 2, 3]): Clips => {
  const shape = [first.length, F!, H!, W!, C!] as const;
  const pixels = new Uint8Array(shape.reduce((a, b) => a * b));
  for (const [i, value] of first.entries()) pixels[(i * pixels.length) / first.length] = value;
  return { pixels, shape };
};

describe('extractFeatures', () => {
  it('joins batches of any sizes', async () => {
    const seen: number[] = [];
    const { features, numFeatures } = await extractFeatures(extractor, [clips([7, 8]), clips([9])], (n) =>
      seen.push(n),
    );
    expect([[...features], numFeatures, seen]).toEqual([[7, 3, 8, 3, 9, 3], 2, [2, 3]]);
  });

  it('takes clips cut into batches as it takes them whole', async () => {
    const whole = clips([4, 5, 6, 7, 8]);
    const batches = [...inBatches(whole, 2)];
    expect(batches.map(({ shape }) => shape[0])).toEqual([2, 2, 1]);
    expect(await extractFeatures(extractor, batches)).toEqual(await extractFeatures(extractor, [whole]));
  });

  it('shows brightness to one channel, and grey frames to three', async () => {
    const see = (channels: 1 | 3) => {
      const extract = async ({ pixels, shape }: Clips) => ({ features: Float32Array.of(pixels[0]!, shape[4]) });
      return { ...extractor, channels, extract };
    };
    const rgb = clips([255]); // its first pixel is red
    expect([...(await extractFeatures(see(1), [rgb])).features]).toEqual([76, 1]);
    const grey = clips([9], [3, 2, 2, 1]);
    expect([...(await extractFeatures(see(3), [grey])).features]).toEqual([9, 3]);
    expect([...(await extractFeatures(see(1), [grey])).features]).toEqual([9, 1]);
  });

  it.each([
    [[clips([1], [3, 2, 2, 4])], /RGB with alpha/],
    [[clips([1], [2, 2, 2, 3])], /clips of 2 frames; test needs at least 3/],
    [[clips([1]), clips([1], [3, 4, 2, 3])], /clip 1 has 3 frames of 4x2, those before it 3 frames of 2x2/],
    [[], /there are no clips/],
  ])('refuses %#', async (batches, message) => {
    await expect(extractFeatures(extractor, batches)).rejects.toThrow(message);
  });
});

describe('fitFrames', () => {
  const ramp = tf.tidy(() => tf.tile(tf.reshape(tf.range(0, 12), [1, 1, 1, 12, 1]), [1, 2, 4, 1, 3])) as tf.Tensor5D;

  it('stretches, or cuts the middle out', () => {
    const size = { rule: 'bilinear' as const, height: 4, width: 4 };
    const cut = fitFrames(ramp, { ...size, crop: 'centre' });
    expect(cut.shape).toEqual([1, 2, 4, 4, 3]);
    const row = (x: tf.Tensor) => tf.add(tf.mul(tf.slice(x, [0, 0, 0, 0, 0], [1, 1, 1, 4, 1]), 127.5), 127.5);
    expectClose(row(cut), [4, 5, 6, 7], { atol: 1e-4 }); // the frame's own pixels
    expectClose(row(fitFrames(ramp, { ...size, crop: 'none' })), [1, 4, 7, 10], { atol: 1e-4 });
    // The other way round, and a size that a fraction would make a pixel too large.
    const tall = tf.zeros([1, 1, 240, 480, 3]) as tf.Tensor5D;
    expect(fitFrames(tall, { ...size, height: 224, width: 224, crop: 'centre' }).shape).toEqual([1, 1, 224, 224, 3]);
    expectClose(fitFrames(tf.fill([1, 1, 2, 2, 3], 255) as tf.Tensor5D, { ...size, crop: 'none' }), tf.ones([48]));
  });
});

describe('assertComparable', () => {
  const { feature, resize, numFrames, covarianceRule } = PROTOCOL_PRESETS.original;
  const protocol: Protocol = {
    extractor: 'I3D',
    weightsSha256: 'ab',
    feature,
    resize,
    numFrames,
    frameStride: 1,
    covarianceRule,
    numReal: 2048,
    numGenerated: 2048,
    split: 'train',
  };

  it('lets results of one protocol stand in one table, and no others', () => {
    assertComparable([{ protocol }, { protocol: { ...protocol, resize: { ...resize } } }]);
    assertComparable([]);
    const against = (change: Partial<Protocol>) => () =>
      assertComparable([{ protocol }, { protocol }, { protocol: { ...protocol, ...change } }]);
    expect(against({ numGenerated: 1000 })).toThrow('numGenerated is 2048 in one result and 1000 in another');
    expect(against({ resize: PROTOCOL_PRESETS['common-metrics'].resize })).toThrow(
      'resize.rule is bilinear-corner in one',
    );
    const draw = { of: 13_320, start: 'first' as const, seed: 0 };
    const drawn = (change: Partial<Protocol>) => () =>
      assertComparable([{ protocol: { ...protocol, realDraw: draw } }, { protocol: { ...protocol, ...change } }]);
    expect(drawn({ realDraw: { ...draw, seed: 1 } })).toThrow('realDraw.seed is 0 in one result and 1 in another');
    expect(drawn({ realDraw: { ...draw, of: 9000 } })).toThrow('realDraw.of is 13320 in one');
    drawn({ realDraw: draw, generatedDraw: { of: 5000, start: 'random', seed: 7 } })();
    const { resize: _, ...without } = protocol;
    expect(() => assertComparable([{ protocol: without }, { protocol }])).toThrow('resize.rule is absent in one');
  });
});

it("calls FVD a distance of I3D's logits alone", () => {
  const record = { extractor: 'I3D', weightsSha256: '0', feature: 'logits' };
  expect(isFvd(record)).toBe(true);
  expect(isFvd({ ...record, feature: 'pooled' })).toBe(false);
  expect(isFvd({ ...record, extractor: 'I3D.onnx' })).toBe(false);
});
