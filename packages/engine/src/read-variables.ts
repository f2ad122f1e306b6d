import { existsSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { StateDict } from '@eflow/tensor';
import * as tf from '@tensorflow/tfjs-core';
import { nativeBinding, tensorFlowBackend } from './compile/binding.ts';
import { registerFunction } from './compile/registered-function.ts';
import { useTensorFlow } from './use-tensorflow.ts';

const TF_STRING = 7;

/** What the files of variables begin with: in a SavedModel's folder, or the checkpoint that is named. */
export const variablesPrefix = (path: string): string =>
  existsSync(path) && statSync(path).isDirectory() ? join(path, 'variables', 'variables') : path;

/**
 * Float32 variables by name from a TensorFlow SavedModel, whose folder is given, or from a checkpoint, given as TensorFlow names
 * it: without `.index`. Their numbers alone are read; no graph is loaded or run, so that a file that is not trusted runs no
 * code. Makes TensorFlow the backend. Throws, naming `path`, if there is nothing such, and TensorFlow's own words if a
 * variable is missing, of another type, or damaged.
 */
export async function readVariables(path: string, names: readonly string[]): Promise<StateDict> {
  const prefix = variablesPrefix(path);
  if (!existsSync(`${prefix}.index`)) {
    throw new Error(
      `${path}: expected the folder of a SavedModel, with variables/variables.index, or a checkpoint, with ${prefix}.index`,
    );
  }
  await useTensorFlow();
  const { name, release } = restoringFunction(names.length);
  const texts = (values: readonly string[]) => tf.tensor1d([...values], 'string');
  const inputs = [tf.scalar(prefix, 'string'), texts(names), texts(names.map(() => ''))]; // '': the whole of it
  try {
    const tensors = tensorFlowBackend().executeMultipleOutputs(name, [], inputs, names.length);
    return new Map(names.map((name, i) => [name, takeContent(tensors[i]!)]));
  } catch (error) {
    // Its words stand between a status before them and the op behind.
    const { message } = error as Error;
    const [, words = message] = /Message: (?:\{\{.*?\}\} )?(.*)/.exec(message) ?? [];
    throw new Error(`${path} cannot be read: ${words}`, { cause: error });
  } finally {
    release();
    tf.dispose(inputs);
  }
}

function takeContent(tensor: tf.Tensor) {
  const content = { shape: tensor.shape, data: tensor.dataSync<'float32'>() as Float32Array };
  tensor.dispose();
  return content;
}

/** tfjs-node takes no list of types for an op, and RestoreV2 has one: a graph holds it. */
function restoringFunction(count: number) {
  const binding = nativeBinding();
  const graph = binding.createGraph();
  const type = (name: string, value: number | number[]) => ({ name, type: binding.TF_ATTR_TYPE, value });
  const inputs = ['prefix', 'names', 'slices'].map(
    () => binding.addOperation(graph, 'Placeholder', [], [type('dtype', TF_STRING)], [])[0]!.id,
  );
  const floats = Array<number>(count).fill(binding.TF_FLOAT);
  const restored = binding.addOperation(graph, 'RestoreV2', inputs, [type('dtypes', floats)], []);
  const outputs = restored.map(({ id }) => id);
  const registered = registerFunction(
    { handle: graph, callees: new Set() },
    { label: 'restore', inputs, outputs, xla: false },
  );
  binding.deleteGraph(graph);
  return registered;
}
