import { statSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { loadTree, readSafetensors } from '@eflow/checkpoint';
import { createMovingDigits, type MovingDigitsSpec, makeBatch } from '@eflow/data';
import { createStream, disposeTree, randomNormal, uploadClips } from '@eflow/tensor';
import * as tf from '@tensorflow/tfjs-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { classAccuracy, frameConsistency } from './class-metrics.ts';
import {
  type DigitsClassifierParams,
  digitsClassifier,
  digitsClassifierWeights,
  initDigitsClassifier,
} from './digits-classifier.ts';
import { frechetDistance } from './frechet-distance.ts';
import { finishStatistics, sumFeatures } from './statistics.ts';

const NUM_CLIPS = 1000;
const file = fileURLToPath(digitsClassifierWeights);

let metadata: Record<string, string>;
let spec: MovingDigitsSpec;
let params: DigitsClassifierParams;
let heldOut: { clips: tf.Tensor; labels: Int32Array };

beforeAll(async () => {
  ({ metadata } = await readSafetensors(file));
  spec = { ...JSON.parse(metadata.spec!), split: 'held-out', seed: 1 };
  const template = initDigitsClassifier(createStream(0));
  params = await loadTree(file, template);
  disposeTree(template);
  heldOut = makeClips(spec);
});
afterAll(() => {
  disposeTree(params);
  heldOut.clips.dispose();
});

function makeClips(of: MovingDigitsSpec) {
  const dataset = createMovingDigits(of);
  const clips = makeBatch(dataset, NUM_CLIPS, 0);
  return { clips: uploadClips(clips), labels: clips.labels };
}

/** What the trained classifier makes of the clips, changed first. */
function classify(clips: tf.Tensor, change = (x: tf.Tensor): tf.Tensor => tf.clone(x)) {
  const output = tf.tidy(() => ({ ...digitsClassifier(params, change(clips)) }));
  const [features, frameLogits, logits] = [output.features, output.frameLogits, output.logits].map((tensor) =>
    tensor.dataSync<'float32'>(),
  );
  tf.dispose(output);
  return {
    statistics: finishStatistics(sumFeatures({ features: features!, numFeatures: output.features.shape[1] }), 'N-1'),
    accuracy: classAccuracy(logits!, 10, heldOut.labels),
    consistency: frameConsistency(frameLogits!, spec.numFrames, 10),
  };
}

describe('the shipped weights of the classifier', () => {
  it('are small, and say how they were trained and how well they do', () => {
    expect(statSync(file).size).toBeLessThan(300_000);
    expect(Number(metadata.heldOutAccuracy)).toBeGreaterThanOrEqual(0.97);
    expect(Number(metadata.steps)).toBeGreaterThan(0);
    expect(Number(metadata.seed)).toBeGreaterThanOrEqual(0);
    expect(metadata.tensorflow).toMatch(/^\d+\.\d+\.\d+/);
  });

  it('name digits by other writers than they were trained on, and the same one in every frame', () => {
    const { accuracy, consistency } = classify(heldOut.clips);
    expect(accuracy).toBeGreaterThanOrEqual(0.97);
    expect(consistency).toBeGreaterThan(0.9);
  });

  it('name empty clips and clips of noise by chance', () => {
    expect(classify(heldOut.clips, (clips) => tf.neg(tf.onesLike(clips))).accuracy).toBeLessThan(0.2);
    expect(classify(heldOut.clips, (clips) => randomNormal(createStream(3), clips.shape)).accuracy).toBeLessThan(0.2);
  });

  it('notice that the digit changes in the middle of a clip', () => {
    const { consistency } = classify(heldOut.clips, (clips) => {
      const [before, after] = tf.split(clips, 2, 1);
      return tf.concat([before!, tf.reverse(after!, 0)], 1);
    });
    const unchanged = heldOut.labels.filter((label, i) => label === heldOut.labels[NUM_CLIPS - 1 - i]).length;
    expect(consistency).toBeLessThan(unchanged / NUM_CLIPS + 0.03);
  });

  it('give features that tell shuffled, frozen and noisy clips from real ones', () => {
    const real = classify(heldOut.clips).statistics;
    const { clips: others } = makeClips({ ...spec, seed: 2 });
    const distance = (change?: (clips: tf.Tensor) => tf.Tensor) =>
      frechetDistance(real, classify(others, change).statistics);
    const reorder = (order: (frame: number) => number) => (clips: tf.Tensor) =>
      tf.gather(
        clips,
        Array.from({ length: spec.numFrames }, (_, frame) => order(frame)),
        1,
      );
    const floor = distance();
    const shuffled = distance(reorder((frame) => (3 * frame) % spec.numFrames)); // frames 0 3 6 1 4 7 2 5
    const frozen = distance(reorder(() => 0));
    const noisy = distance((clips) => tf.add(clips, tf.mul(randomNormal(createStream(3), clips.shape), 0.1)));
    others.dispose();
    // 3.5 against 8.9, 21.0 and 14.1.
    expect(Math.min(shuffled, frozen, noisy)).toBeGreaterThan(2 * floor);
  });
});
