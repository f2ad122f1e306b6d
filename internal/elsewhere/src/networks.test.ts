import '@tensorflow/tfjs-backend-cpu';
import '@tensorflow/tfjs-backend-wasm';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { loadTree } from '@eflow/checkpoint';
import { createStream, disposeTree } from '@eflow/tensor';
import { initVideoDiT } from '@eflow/video-dit';
import * as tf from '@tensorflow/tfjs-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { TOLERANCE } from './errors.ts';
import { MEASURES, networkError, networks, type Outputs } from './networks.ts';
import { saveNetwork } from './save-network.ts';

const folder = mkdtempSync(join(tmpdir(), 'eflow-networks-'));
afterAll(() => rmSync(folder, { recursive: true }));

describe.each(networks)('a network with attention $name', (network) => {
  let expected: Outputs;
  beforeAll(async () => {
    await tf.setBackend('tensorflow');
    expected = await saveNetwork(folder, network);
  });

  it.each(['cpu', 'wasm'])("gives on tfjs' %s backend what TensorFlow gives, from one checkpoint", async (backend) => {
    await tf.setBackend(backend);
    const before = tf.memory().numTensors;
    const template = initVideoDiT(createStream(0), network.config);
    const params = await loadTree(join(folder, network.file), template);
    for (const measure of MEASURES) {
      expect(await networkError(measure, network, params, expected), measure).toBeLessThan(TOLERANCE);
    }
    disposeTree([template, params]);
    expect(tf.memory().numTensors).toBe(before);
  });
});
