import { expectClose, fixtureNumbers } from '@eflow/testing';
import type { GraphModel } from '@tensorflow/tfjs-converter';
import * as tf from '@tensorflow/tfjs-core';
import { load } from 'nsfwjs/core';
import { MobileNetV2MidModel } from 'nsfwjs/models/mobilenet_v2_mid';
import { expect, it, vi } from 'vitest';
import { extractFeatures } from './extractor.ts';
import { createNsfwjsExtractor } from './nsfwjs-extractor.ts';

const FRAME = [224, 224, 3] as const;
const SIZE = 224 * 224 * 3;
/** Four frames, of ever coarser noise. */
const frames = tf.tidy(() =>
  Uint8Array.from(
    [1, 4, 16, 56].flatMap((side, i) => {
      const x = tf.image.resizeNearestNeighbor(
        fixtureNumbers(`frame ${i}`, [224 / side, 224 / side, 3]) as tf.Tensor3D,
        [224, 224],
      );
      return [...tf.clipByValue(tf.mul(tf.add(x, 1), 127.5), 0, 255).dataSync()];
    }),
  ),
);

it("gives what nsfwjs' own last layer is given, of single frames, and of clips their mean", async () => {
  const extractor = await createNsfwjsExtractor({ rule: 'bilinear', crop: 'none' });
  const before = tf.memory().numTensors;
  const single = await extractFeatures(extractor, [{ pixels: frames, shape: [4, 1, ...FRAME] }]);
  const pairs = await extractFeatures(extractor, [{ pixels: frames, shape: [2, 2, ...FRAME] }]);
  expect(tf.memory().numTensors).toBe(before);
  const { features, numFeatures } = single;
  const mean = Float32Array.from({ length: 2 * numFeatures }, (_, k) => {
    const [first, i] = [2 * Math.floor(k / numFeatures), k % numFeatures];
    return (features[first * numFeatures + i]! + features[(first + 1) * numFeatures + i]!) / 2;
  });
  expectClose(pairs.features, mean, { rtol: 1e-5, atol: 1e-6 });

  vi.spyOn(console, 'info').mockImplementation(() => {});
  const network = await load('MobileNetV2Mid', { modelDefinitions: [MobileNetV2MidModel] });
  const classify = (i: number) => {
    const image = tf.tensor3d(frames.slice(i * SIZE, (i + 1) * SIZE), [...FRAME]);
    return [...network.infer(image).dataSync()];
  };
  const model = network.model as GraphModel;
  const name = `StatefulPartitionedCall/sequential/keras_layer/${'StatefulPartitionedCall/'.repeat(3)}predict/${extractor.feature}`;
  const probabilities = model.execute(
    { [name]: tf.tensor2d(Float32Array.from(features), [4, numFeatures]) },
    'Identity',
  ) as tf.Tensor;
  expectClose(probabilities, [0, 1, 2, 3].flatMap(classify), { rtol: 1e-4, atol: 1e-6 });
});
