import { randomUUID } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, rename, rm, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import * as tf from '@tensorflow/tfjs-core';
import type { TensorMetadata } from '@tensorflow/tfjs-node-gpu/dist/tfjs_binding.js';
import { useTensorFlow } from '../use-tensorflow.ts';
import { nativeBinding, tensorFlowBackend } from './binding.ts';
import { CompileError } from './refusal.ts';
import { encodeSavedModel, type ModelTensor } from './saved-model-proto.ts';
import { serializeGraph, type TensorSpec, trace } from './trace.ts';

const DTYPES: readonly tf.DataType[] = ['float32', 'int32', 'bool'];

/**
 * Writes `fn` as a TensorFlow SavedModel into a new folder, for `node.loadSavedModel` of TensorFlow.js and
 * `tf.saved_model.load` of Python's TensorFlow: tag `serve`, signature `serving_default`. `fn` takes a plain object of
 * tensors with the names, shapes and types of `signature`, and returns one of named tensors. It runs once, on tensors
 * without values, as in `compile`. What it uses from outside, such as a network's weights, becomes part of the model as
 * it is now, whatever its size. The folder appears complete or not at all.
 *
 * Makes TensorFlow the backend if it has not been yet. Throws an Error, before any work, if the folder exists, or if the
 * signature is empty or has another type than float32, int32 and bool or a length that is not fixed; an Error if the
 * model takes 2 GiB or more; a CompileError if `fn` returns anything but named tensors, or does what `compile` refuses.
 */
export async function exportSavedModel<Name extends string>(
  fn: (inputs: Record<NoInfer<Name>, tf.Tensor>) => tf.NamedTensorMap,
  signature: Readonly<Record<Name, TensorSpec>>,
  folder: string,
): Promise<void> {
  checkSignature(signature);
  if (existsSync(folder)) {
    throw new Error(`exportSavedModel: ${folder} exists; choose another folder, or delete it first`);
  }
  await useTensorFlow();
  await writeModel(resolve(folder), encodeFunction(fn, signature));
}

function encodeFunction<Name extends string>(
  fn: (inputs: Record<Name, tf.Tensor>) => tf.NamedTensorMap,
  signature: Readonly<Record<Name, TensorSpec>>,
): Uint8Array[] {
  const keys = Object.keys(signature) as Name[];
  const specs = keys.map((key) => signature[key]);
  const call = (tensors: tf.Tensor[]) => {
    const named = Object.fromEntries(keys.map((key, i) => [key, tensors[i]!]));
    return requireNamedTensors(fn(named as Record<Name, tf.Tensor>));
  };
  const { graph, inputs, outputs, structure } = trace(call, specs, {
    captures: 'embed',
    embed: true,
    bfloat16: false,
    xla: false,
  });
  const describe = (key: string, { id, dtype, shape }: TensorMetadata): ModelTensor => {
    return { key, name: nativeBinding().nameTensor(graph.handle, id), dtype, shape };
  };
  const model = {
    graphDef: serializeGraph(graph),
    inputs: specs.map(({ dtype, shape }, i) =>
      describe(keys[i]!, { id: inputs[i]!, dtype: tensorFlowBackend().getDTypeInteger(dtype), shape: [...shape] }),
    ),
    outputs: Object.keys(structure!).map((key, i) => describe(key, outputs[i]!)),
    tensorflowVersion: nativeBinding().TF_Version,
  };
  graph.dispose();
  return encodeSavedModel(model);
}

function checkSignature(signature: Readonly<Record<string, TensorSpec>>): void {
  const entries = Object.entries(signature);
  if (entries.length === 0) {
    throw new Error(
      "exportSavedModel: the signature is empty; name the function's inputs, such as { noise: { shape: [1, 8], dtype: 'float32' } }",
    );
  }
  for (const [key, { shape, dtype }] of entries) {
    if (!DTYPES.includes(dtype)) {
      throw new Error(`exportSavedModel: the dtype of ${key} is ${dtype}; expected ${DTYPES.join(', ')}`);
    }
    if (!shape.every((length) => Number.isSafeInteger(length) && length >= 0)) {
      throw new Error(
        `exportSavedModel: the shape of ${key} is [${shape.map(String).join(', ')}]; expected integers of at least 0, as every length of a graph is fixed`,
      );
    }
  }
}

function requireNamedTensors(result: unknown): tf.NamedTensorMap {
  const isPlain = typeof result === 'object' && result !== null && Object.getPrototypeOf(result) === Object.prototype;
  const entries: [string, unknown][] = isPlain ? Object.entries(result) : [];
  const wrong = entries.find(([, value]) => !(value instanceof tf.Tensor));
  if (entries.length > 0 && !wrong) return result as tf.NamedTensorMap;
  const what = wrong ? `an object whose ${wrong[0]} is ${nameKind(wrong[1])}` : nameKind(result);
  throw new CompileError(
    `exportSavedModel: the function returned ${what}; expected a plain object of tensors, such as { video }`,
  );
}

function nameKind(value: unknown): string {
  if (value instanceof Promise) return 'a promise (it must not be async)';
  if (value instanceof tf.Tensor) return 'a tensor without a name';
  if (typeof value !== 'object' || value === null) return String(value);
  const className = value.constructor?.name ?? 'Object';
  const isEmpty = className === 'Object' && Object.keys(value).length === 0;
  return isEmpty ? 'an empty object' : `an object of class ${className}`;
}

async function writeModel(folder: string, savedModel: readonly Uint8Array[]): Promise<void> {
  const temporary = `${folder}.tmp-${randomUUID()}`;
  try {
    await mkdir(temporary, { recursive: true });
    await writeFile(join(temporary, 'saved_model.pb'), savedModel, { flush: true });
    await rename(temporary, folder);
  } finally {
    await rm(temporary, { recursive: true, force: true });
  }
}
