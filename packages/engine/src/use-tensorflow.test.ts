import { existsSync } from 'node:fs';
import { treeLeaves } from '@eflow/tensor';
import * as tf from '@tensorflow/tfjs-core';
import { expect, it } from 'vitest';
import { startProcess } from '../fixtures/tiny-world.ts';
import { useTensorFlow } from './use-tensorflow.ts';

const environment = process.env as Record<string, string>;

it('makes TensorFlow the backend of this very tfjs-core, once', async () => {
  const engine = await useTensorFlow();
  expect(engine.tensorflowVersion).toMatch(/^2\.\d+\.\d+$/);
  expect(['cpu', 'gpu']).toContain(engine.device);
  expect(existsSync(engine.library)).toBe(true);
  expect(tf.getBackend()).toBe('tensorflow');
  expect(treeLeaves({ a: tf.tidy(() => tf.add(1, 2)) })).toHaveLength(1); // its tensors are ours
  expect(await useTensorFlow()).toBe(engine);
});

it('says how to set it up where it is not', async () => {
  const { code, output } = await startProcess('fixtures/use-without-utilities.ts', [], {
    ...environment,
    EFLOW_CACHE: '/tmp/eflow-that-is-not-there',
  }).done;
  expect(output).toMatch(/TensorFlow is not set up for this user\.\nRun: npx @eflow\/engine setup/);
  expect(code).not.toBe(0);
});

it('works where Node.js lacks the utilities that tfjs-node calls, and prints nothing of its own', async () => {
  const { code, output } = await startProcess('fixtures/use-without-utilities.ts', [], environment).done;
  expect(output).toMatch(/^2\.\d+\.\d+ 6\n$/);
  expect(code).toBe(0);
});

it('names the copies of tfjs-core where there are two, and the way to one', async () => {
  const { code, output } = await startProcess('fixtures/two-copies.ts', [], environment).done;
  expect(output).toMatch(
    /Several copies of @tensorflow\/tfjs-core are loaded: 4\.22\.0 in .* and 4\.22\.0 in .*copy-of/,
  );
  expect(output).toContain('npm dedupe');
  expect(code).not.toBe(0);
});
