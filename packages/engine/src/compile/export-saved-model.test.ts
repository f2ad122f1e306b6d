import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createStream, randomNormal, splitStream, uploadStream } from '@eflow/tensor';
import { expectClose } from '@eflow/testing';
import * as tf from '@tensorflow/tfjs-core';
import { afterAll, describe, expect, it } from 'vitest';
import { exportSavedModel } from './export-saved-model.ts';
import { CompileError } from './refusal.ts';
import type { TensorSpec } from './trace.ts';

const { loadSavedModel, getMetaGraphsFromSavedModel }: typeof import('@tensorflow/tfjs-node-gpu/dist/saved_model.js') =
  createRequire(import.meta.url)('@tensorflow/tfjs-node-gpu/dist/saved_model.js');

const root = mkdtempSync(join(tmpdir(), 'eflow-export-'));
afterAll(() => rmSync(root, { recursive: true }));

let count = 0;
const newFolder = () => join(root, `model-${count++}`);

/** Runs a SavedModel as TensorFlow.js does. */
async function run(folder: string, inputs: tf.NamedTensorMap): Promise<tf.NamedTensorMap> {
  const model = await loadSavedModel(folder);
  const outputs = model.predict(inputs) as tf.NamedTensorMap;
  model.dispose();
  return outputs;
}

const signature = {
  noise: { shape: [3, 211], dtype: 'float32' },
  label: { shape: [3], dtype: 'int32' },
} as const;
type Inputs = Record<keyof typeof signature, tf.Tensor>;
const inputs: Inputs = {
  noise: randomNormal(createStream(1), [3, 211]),
  label: tf.tensor1d([4, 0, 2], 'int32'),
};
const weights = () => randomNormal(createStream(2), [211, 131]); // 110 kB: `compile` would refuse to capture it
const table = randomNormal(createStream(3), [5, 131]);

describe('exportSavedModel', () => {
  it('writes a model that TensorFlow runs with the same results, weights included', async () => {
    const w = weights();
    const fn = ({ noise, label }: Inputs) => {
      const embedded = tf.gather(table, label);
      const hidden = tf.add(tf.matMul(noise, w), embedded);
      return { probabilities: tf.softmax(hidden), hidden, next: tf.add(label, tf.scalar(1, 'int32')) };
    };
    const expected = fn(inputs);
    const folder = newFolder();
    await exportSavedModel(fn, signature, folder);
    w.dispose();
    const outputs = await run(folder, inputs);
    expect(Object.keys(outputs).sort()).toEqual(['hidden', 'next', 'probabilities']);
    for (const [name, tensor] of Object.entries(expected)) {
      expect(outputs[name]!.dtype).toBe(tensor.dtype);
      expect(outputs[name]!.shape).toEqual(tensor.shape);
      expectClose(outputs[name]!, tensor, { rtol: 1e-6, atol: 1e-6 });
    }
  });

  it('describes inputs and outputs, so that other readers know them', async () => {
    const folder = newFolder();
    const kinds = {
      ...signature,
      once: { shape: [], dtype: 'bool' },
      none: { shape: [0, 300], dtype: 'float32' },
    } as const;
    await exportSavedModel(
      ({ noise, label, once }) => ({ noise, 'sum of é': tf.sum(noise), label, once }),
      kinds,
      folder,
    );
    const [model, ...others] = await getMetaGraphsFromSavedModel(folder);
    expect(others).toEqual([]);
    expect(model!.tags).toEqual(['serve']);
    const signatures = Object.entries(model!.signatureDefs).map(([name, entry]) => [name, describeEntry(entry)]);
    expect(signatures).toEqual([
      [
        'serving_default',
        {
          inputs: { noise: 'float32[3,211]', label: 'int32[3]', once: 'bool[]', none: 'float32[0,300]' },
          outputs: { noise: 'float32[3,211]', 'sum of é': 'float32[]', label: 'int32[3]', once: 'bool[]' },
        },
      ],
    ]);
  });

  it('exports arguments passed on, one tensor twice, later outputs of an op, inputs unused, and gradients', async () => {
    const fn = ({ noise, label }: Inputs) => {
      const [, upper] = tf.split(tf.slice(noise, [0, 0], [3, 210]), 2, 1);
      const slope = tf.grad((x) => tf.sum(tf.square(tf.sin(x))))(noise);
      return { noise, again: noise, upper: upper!, slope, label };
    };
    const folder = newFolder();
    const unused = { shape: [7], dtype: 'float32' } as const;
    await exportSavedModel<'noise' | 'label' | 'unused'>(fn, { ...signature, unused }, folder);
    const outputs = await run(folder, { ...inputs, unused: tf.zeros([7]) });
    for (const [name, tensor] of Object.entries(fn(inputs)))
      expectClose(outputs[name]!, tensor, { rtol: 1e-6, atol: 1e-6 });
  });

  it('exports draws from a seed that is an input, bit for bit', async () => {
    const fn = ({ seed }: Record<'seed', tf.Tensor>) => ({
      noise: randomNormal(splitStream({ seed: seed as tf.Tensor1D }, 3), [4, 5]),
    });
    const folder = newFolder();
    await exportSavedModel(fn, { seed: { shape: [2], dtype: 'int32' } }, folder);
    for (const seed of [1, 2 ** 40 + 7].map((n) => uploadStream(createStream(n)).seed)) {
      expectClose((await run(folder, { seed })).noise!, fn({ seed }).noise, { atol: 0 });
    }
  });

  it('leaves no tensors, runs nothing and keeps the backend', async () => {
    const w = weights();
    const before = { numTensors: tf.memory().numTensors, backend: tf.getBackend() };
    let calls = 0;
    const fn = ({ noise }: { noise: tf.Tensor }) => {
      calls++;
      return { product: tf.matMul(noise, w) };
    };
    await exportSavedModel(fn, { noise: signature.noise }, newFolder());
    expect(calls).toBe(1);
    expect({ numTensors: tf.memory().numTensors, backend: tf.getBackend() }).toEqual(before);
    expect(w.isDisposed).toBe(false);
  });

  it('writes one model where two go to the same folder at once, and no other files', async () => {
    const folder = newFolder();
    const attempt = (factor: number) =>
      exportSavedModel(({ x }) => ({ y: tf.mul(x, factor) }), { x: { shape: [2], dtype: 'float32' } }, folder);
    const results = await Promise.allSettled([attempt(2), attempt(2)]);
    expect(results.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected']);
    expectClose((await run(folder, { x: tf.tensor1d([1, 5]) })).y!, [2, 10], { atol: 0 });
    expect(readdirSync(folder)).toEqual(['saved_model.pb']);
    expect(readdirSync(root).filter((name) => name.includes('tmp'))).toEqual([]);
  });
});

describe('exportSavedModel refuses', () => {
  const never = () => {
    throw new Error('the function was called');
  };

  it('a folder that exists, before any work', async () => {
    await expect(exportSavedModel(never, signature, root)).rejects.toThrow(
      `${root} exists; choose another folder, or delete it first`,
    );
  });

  it.each<[Record<string, TensorSpec>, string]>([
    [{}, 'the signature is empty'],
    [{ x: { shape: [1], dtype: 'string' } }, 'dtype of x is string; expected float32, int32, bool'],
    [{ x: { shape: [2, -1], dtype: 'float32' } }, 'shape of x is [2, -1]; expected integers of at least 0'],
    [{ x: { shape: [Number.NaN], dtype: 'float32' } }, 'shape of x is [NaN]'],
    [{ x: { shape: [1.5], dtype: 'float32' } }, 'shape of x is [1.5]'],
  ])('the signature %j, before any work', async (bad, message) => {
    await expect(exportSavedModel(never, bad, newFolder())).rejects.toThrow(message);
  });

  it.each<[string, (x: tf.Tensor) => unknown, string]>([
    ['nothing', () => undefined, 'returned undefined'],
    ['a tensor alone', (x) => tf.neg(x), 'returned a tensor without a name'],
    ['an array', (x) => [tf.neg(x)], 'returned an object of class Array'],
    ['an empty object', () => ({}), 'returned an empty object'],
    ['a nested object', (x) => ({ y: x, z: { x } }), 'returned an object whose z is an object of class Object'],
    ['numbers', () => ({ y: 3 }), 'returned an object whose y is 3'],
    ['a promise', async (x) => ({ y: x }), 'returned a promise'],
    ['a map', (x) => new Map([['y', x]]), 'returned an object of class Map'],
  ])('a function that returns %s', async (_, fn, message) => {
    const folder = newFolder();
    const untyped = ({ noise }: { noise: tf.Tensor }) => fn(noise) as tf.NamedTensorMap;
    const attempt = exportSavedModel(untyped, { noise: signature.noise }, folder);
    await expect(attempt).rejects.toThrow(message);
    await expect(attempt).rejects.toBeInstanceOf(CompileError);
    expect(readdirSync(root).filter((name) => folder.endsWith(name))).toEqual([]);
  });

  it('a function that reads data, or uses a disposed tensor', async () => {
    const reads = ({ noise }: { noise: tf.Tensor }) => ({ y: tf.scalar(noise.dataSync()[0]!) });
    await expect(exportSavedModel(reads, { noise: signature.noise }, newFolder())).rejects.toThrow('dataSync');
    const w = weights();
    w.dispose();
    const uses = ({ noise }: { noise: tf.Tensor }) => ({ y: tf.matMul(noise, w) });
    await expect(exportSavedModel(uses, { noise: signature.noise }, newFolder())).rejects.toThrow('disposed');
  });

  it('weights of 2 GiB', async () => {
    const values = new Float32Array(2 ** 29);
    values[0] = 1; // else it would be stored as one zero
    const fn = ({ x }: { x: tf.Tensor }) => ({ y: tf.mul(x, tf.tensor1d(values)) });
    await expect(exportSavedModel(fn, { x: { shape: [], dtype: 'float32' } }, newFolder())).rejects.toThrow('2 GiB');
  });
});

type Tensors = Record<string, { dtype: string; shape: unknown }>;

/** `dtype[shape]` of each input and output. */
const describeEntry = ({ inputs, outputs }: { inputs: object; outputs: object }) => ({
  inputs: describeTensors(inputs as Tensors),
  outputs: describeTensors(outputs as Tensors),
});

const describeTensors = (tensors: Tensors) =>
  Object.fromEntries(
    Object.entries(tensors).map(([name, { dtype, shape }]) => {
      const dims = shape as { getSize(): number }[]; // messages, though TensorFlow.js calls them numbers
      return [name, `${dtype}[${dims.map((dim) => dim.getSize()).join(',')}]`];
    }),
  );
