import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expectClose } from '@eflow/testing';
import * as tf from '@tensorflow/tfjs-core';
import { afterAll, expect, it } from 'vitest';
import { type Check, exportTinySampler, type StoredTensor } from '../fixtures/export-tiny-sampler.ts';

interface SavedModel {
  predict(inputs: tf.NamedTensorMap): tf.NamedTensorMap;
  dispose(): void;
}

// Only the engine depends on TensorFlow.js' Node.js package.
const requireOfEngine = createRequire(new URL('../../../packages/engine/package.json', import.meta.url));
const { loadSavedModel }: { loadSavedModel(folder: string): Promise<SavedModel> } = requireOfEngine(
  '@tensorflow/tfjs-node-gpu/dist/saved_model.js',
);

const root = mkdtempSync(join(tmpdir(), 'eflow-sampler-'));
afterAll(() => rmSync(root, { recursive: true }));

const load = ({ values, shape, dtype }: StoredTensor) => tf.tensor(values, shape, dtype);

it.each(['velocity', 'data'] as const)(
  'the sampler exports as one model, noise and labels in, the same video out: it predicts the %s',
  async (predicts) => {
    const folder = join(root, predicts);
    await exportTinySampler(folder, { predicts });
    const { inputs, outputs } = JSON.parse(readFileSync(join(folder, 'check.json'), 'utf8')) as Check;
    const model = await loadSavedModel(folder);
    const predict = (label: tf.Tensor) => model.predict({ noise: load(inputs.noise), label });
    const { video, ...others } = predict(load(inputs.label));
    expect(others).toEqual({});
    const expected = load(outputs.video);
    expect(video!.shape).toEqual([3, 4, 16, 16, 1]);
    expectClose(video!, expected, { rtol: 1e-5, atol: 1e-5 });
    // It is no model that ignores what it is given: other labels make other videos.
    const other = predict(tf.tensor1d([1, 4, 8], 'int32')).video!;
    expect(tf.max(tf.abs(tf.sub(other, expected))).dataSync()[0]).toBeGreaterThan(1e-2);
    model.dispose();
  },
);

it('the guidance scale that was chosen is part of the model', async () => {
  const videos: tf.Tensor[] = [];
  for (const scale of [1, 4]) {
    const folder = join(root, `scale-${scale}`);
    await exportTinySampler(folder, { scale });
    const { inputs, outputs } = JSON.parse(readFileSync(join(folder, 'check.json'), 'utf8')) as Check;
    const model = await loadSavedModel(folder);
    const { video } = model.predict({ noise: load(inputs.noise), label: load(inputs.label) });
    expectClose(video!, load(outputs.video), { rtol: 1e-5, atol: 1e-5 });
    videos.push(video!);
    model.dispose();
  }
  expect(tf.max(tf.abs(tf.sub(videos[0]!, videos[1]!))).dataSync()[0]).toBeGreaterThan(1e-3);
});
