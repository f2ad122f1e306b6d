import '@tensorflow/tfjs-backend-cpu';
import '@tensorflow/tfjs-backend-wasm';
import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, it } from 'vitest';
import { cases } from './cases.ts';
import { backwardError, forwardError, makeReferences, type Reference, TOLERANCE } from './errors.ts';

describe.each(cases)('attention: $name', (tried) => {
  let references: Reference[];
  beforeAll(async () => {
    references = await makeReferences(tried);
  });

  it.each(['cpu', 'wasm'])("agrees with its oracle on tfjs' %s backend, forward and backward", async (backend) => {
    await tf.setBackend(backend);
    const before = tf.memory().numTensors;
    expect(await forwardError(tried, references)).toBeLessThan(TOLERANCE);
    expect(await backwardError(tried, references)).toBeLessThan(TOLERANCE);
    expect(tf.memory().numTensors).toBe(before);
  });
});
