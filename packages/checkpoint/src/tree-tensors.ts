import { type Tree, treeEntries } from '@eflow/tensor';
import * as tf from '@tensorflow/tfjs-core';
import type { Dtype, SafetensorsHeader, TensorInfo } from './safetensors-header.ts';
import { isReadable, refuseDtype, type TensorData } from './tensor-data.ts';

/**
 * Throws unless a file's tensors are the leaves of `template`: the same names, shapes and kinds. The message says which
 * file (`where`), the first three tensors of another shape, the first three that are missing and that are too many.
 */
export function checkFit(where: string, template: Tree, { tensors }: SafetensorsHeader): void {
  const wanted = new Map(treeEntries(template));
  const differing = [...wanted].flatMap(([name, leaf]) => {
    const info = tensors.get(name);
    return info ? describeDifference(where, name, info, leaf) : [];
  });
  const missing = [...wanted.keys()].filter((name) => !tensors.has(name)).map((name) => `'${name}'`);
  const unknown = [...tensors.keys()].filter((name) => !wanted.has(name)).map((name) => `'${name}'`);
  const problems = [
    ...(differing.length ? [firstThree(differing)] : []),
    ...(missing.length ? [`it lacks ${firstThree(missing)}`] : []),
    ...(unknown.length ? [`the network has no ${firstThree(unknown)}`] : []),
  ];
  if (problems.length === 0) return;
  throw new Error(
    `${where} does not fit the network: ${problems.join('; ')}. Was it saved with another preset? ` +
      'Build the network from the configuration that the checkpoint was saved with, or choose another checkpoint',
  );
}

/** A tensor as read from a file. Throws on an I64 that int32 cannot hold. The caller owns it. */
export function toTensor(where: string, name: string, { dtype, shape }: TensorInfo, data: TensorData): tf.Tensor {
  if (data instanceof BigInt64Array) {
    const values = Int32Array.from(data, Number);
    const bad = values.findIndex((value, i) => BigInt(value) !== data[i]);
    if (bad < 0) return tf.tensor(values, shape, 'int32');
    throw new Error(
      `${where}: '${name}' holds ${data[bad]}, too large for int32; read it as numbers, with readSafetensors or parseSafetensors`,
    );
  }
  return tf.tensor(data instanceof Float64Array ? Float32Array.from(data) : data, shape, tensorDtype(dtype));
}

function describeDifference(where: string, name: string, info: TensorInfo, leaf: tf.Tensor): string[] {
  if (!isReadable(info.dtype)) refuseDtype(where, name, info.dtype);
  const dtype = tensorDtype(info.dtype);
  const [here, there] = [info.shape, leaf.shape].map((shape) => `[${shape.join(', ')}]`);
  if (dtype !== leaf.dtype) return [`'${name}' is ${dtype} ${here} here and ${leaf.dtype} ${there} in the network`];
  return here === there ? [] : [`'${name}' is ${here} here and ${there} in the network`];
}

const tensorDtype = (dtype: Dtype): 'int32' | 'float32' => (dtype.startsWith('I') ? 'int32' : 'float32');

const firstThree = (items: string[]): string =>
  items.slice(0, 3).join(', ') + (items.length > 3 ? ` and ${items.length - 3} more` : '');
