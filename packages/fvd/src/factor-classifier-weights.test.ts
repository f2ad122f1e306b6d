import { statSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { loadTree, readSafetensors } from '@eflow/checkpoint';
import { captionedDigitsTask, datasetSpec, movingEmojiTask, openDataset, takeClips } from '@eflow/data';
import { type Clips, createStream, disposeTree } from '@eflow/tensor';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Extractor } from './extractor.ts';
import {
  captionedDigitsClassifierWeights,
  type FactorClassifierParams,
  initFactorClassifier,
  movingEmojiClassifierWeights,
} from './factor-classifier.ts';
import { createFactorExtractor } from './factor-extractor.ts';
import { featureDistance } from './frechet-distance.ts';

const NUM_CLIPS = 400;
const file = fileURLToPath(captionedDigitsClassifierWeights);
const { factors, valuesOf } = captionedDigitsTask;
const FACTORS = Object.keys(factors) as (keyof typeof factors)[];

let metadata: Record<string, string>;
let params: FactorClassifierParams;
let extractor: Extractor;
let held: Required<Clips>;
let others: Required<Clips>;

beforeAll(async () => {
  ({ metadata } = await readSafetensors(file));
  const template = initFactorClassifier(createStream(0), { channels: 3, factors });
  params = await loadTree(file, template);
  disposeTree(template);
  extractor = createFactorExtractor('classifier', params, 'of a test');
  const dataset = openDataset(datasetSpec(JSON.parse(metadata.spec!), 'held-out', 1));
  held = takeClips(dataset, 0, NUM_CLIPS) as Required<Clips>;
  others = takeClips(dataset, NUM_CLIPS, NUM_CLIPS) as Required<Clips>;
});
afterAll(() => disposeTree(params));

/** The same clips with their frames in another order. */
function reorder(clips: Clips, order: (frame: number, count: number) => number): Clips {
  const [, F] = clips.shape;
  const frame = clips.pixels.length / clips.shape[0] / F;
  const pixels = new Uint8Array(clips.pixels.length);
  for (let i = 0; i < clips.shape[0] * F; i++) {
    const from = i - (i % F) + order(i % F, F);
    pixels.set(clips.pixels.subarray(from * frame, (from + 1) * frame), i * frame);
  }
  return { pixels, shape: clips.shape };
}

/** Shares of clips whose factors are told as `wanted` says. */
async function shares(clips: Clips, wanted = (label: number) => valuesOf(label)) {
  const { values } = await extractor.extract(clips);
  const share = (factor: (typeof FACTORS)[number]) =>
    [...held.labels].filter((label, i) => values![factor]![i] === wanted(label)[factor]).length / NUM_CLIPS;
  return Object.fromEntries(FACTORS.map((factor) => [factor, share(factor)]));
}

it.each([
  [captionedDigitsClassifierWeights, captionedDigitsTask],
  [movingEmojiClassifierWeights, movingEmojiTask],
])('the weights in %s are small, tell what captions say, and say how they were trained', async (weights, task) => {
  const path = fileURLToPath(weights);
  const { metadata, tensors } = await readSafetensors(path);
  expect(statSync(path).size).toBeLessThan(4_000_000);
  for (const [factor, values] of Object.entries(task.factors)) {
    expect(Number(metadata[`heldOut${factor[0]!.toUpperCase()}${factor.slice(1)}`])).toBeGreaterThanOrEqual(0.97);
    expect(tensors.get(`heads.${factor}.bias`)!.shape).toEqual([values.length]);
  }
  expect(Number(metadata.heldOutAccuracy)).toBeGreaterThanOrEqual(0.97);
  expect(Number(metadata.steps)).toBeGreaterThan(0);
  expect(metadata.tensorflow).toMatch(/^\d+\.\d+\.\d+/);
});

describe('the shipped weights of the classifier of captioned digits', () => {
  it('name the digit, the colour and the direction of clips by other writers', async () => {
    const { digit, colour, direction } = await shares(held);
    expect(digit).toBeGreaterThanOrEqual(0.96);
    expect(colour).toBeGreaterThanOrEqual(0.99);
    expect(direction).toBeGreaterThanOrEqual(0.99);
  });

  it('see the other direction in clips that run backwards, and the same digit and colour', async () => {
    const opposite = { left: 'right', right: 'left', up: 'down', down: 'up' } as Record<string, string>;
    const { digit, colour, direction } = await shares(
      reorder(held, (frame, count) => count - 1 - frame),
      (label) => {
        const values = valuesOf(label);
        return { ...values, direction: factors.direction.indexOf(opposite[factors.direction[values.direction]!]!) };
      },
    );
    expect(digit).toBeGreaterThan(0.9);
    expect(colour).toBeGreaterThanOrEqual(0.97);
    expect(direction).toBeGreaterThanOrEqual(0.97);
  });

  it('give features that tell shuffled and frozen clips from real ones', async () => {
    const featuresOf = async (clips: Clips) => ({
      features: (await extractor.extract(clips)).features,
      numFeatures: extractor.numFeatures,
    });
    const real = await featuresOf(held);
    const distance = async (clips: Clips) => featureDistance(await featuresOf(clips), real, 'N-1');
    const floor = await distance(others);
    const shuffled = await distance(reorder(others, (frame, count) => (3 * frame) % count));
    const frozen = await distance(reorder(others, () => 0));
    expect(Math.min(shuffled, frozen)).toBeGreaterThan(2 * floor);
  });
});
