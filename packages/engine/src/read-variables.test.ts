import { cpSync, mkdtempSync, rmSync, truncateSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import * as tf from '@tensorflow/tfjs-core';
import { afterAll, describe, expect, it } from 'vitest';
import { readVariables } from './read-variables.ts';
import { useTensorFlow } from './use-tensorflow.ts';

const model = fileURLToPath(new URL('../fixtures/saved-model', import.meta.url));
const root = mkdtempSync(join(tmpdir(), 'variables-'));
afterAll(() => rmSync(root, { recursive: true }));

describe('readVariables', () => {
  it("reads what Python's TensorFlow wrote, as a SavedModel and as a checkpoint, and keeps nothing", async () => {
    await useTensorFlow();
    const before = tf.memory().numTensors;
    const expected = [
      ['RGB/b', { shape: [2], data: Float32Array.of(0.5, -0.25) }],
      ['RGB/w', { shape: [2, 1, 3], data: Float32Array.of(0, 1, 2, 3, 4, 5) }],
    ];
    for (const path of [model, join(model, 'variables', 'variables')]) {
      expect([...(await readVariables(path, ['RGB/b', 'RGB/w']))]).toEqual(expected);
    }
    expect(tf.memory().numTensors).toBe(before);
  });

  it('says what is missing, of another type, or damaged', async () => {
    await expect(readVariables(root, ['RGB/b'])).rejects.toThrow(/expected the folder of a SavedModel/);
    await expect(readVariables(join(root, 'model.ckpt'), ['RGB/b'])).rejects.toThrow(/model\.ckpt\.index/);
    await expect(readVariables(model, ['RGB/b', 'RGB/c'])).rejects.toThrow(
      /saved-model cannot be read: Key RGB\/c not found/,
    );
    await expect(readVariables(model, ['global_step'])).rejects.toThrow(/cannot be read: .*int64/);
    const cut = join(root, 'cut');
    cpSync(model, cut, { recursive: true });
    truncateSync(join(cut, 'variables', 'variables.data-00000-of-00001'), 20);
    await expect(readVariables(cut, ['RGB/w'])).rejects.toThrow(/cut cannot be read/);
    expect((await readVariables(cut, ['RGB/b'])).get('RGB/b')!.data).toEqual(Float32Array.of(0.5, -0.25));
  });
});
