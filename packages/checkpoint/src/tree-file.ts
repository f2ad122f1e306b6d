import { mapTree, type Tree, treeEntries } from '@eflow/tensor';
import * as tf from '@tensorflow/tfjs-core';
import type { FileDigest } from './atomic-file.ts';
import { openSafetensors, type SafetensorsSource, writeSafetensors } from './safetensors.ts';
import type { SafetensorsHeader } from './safetensors-header.ts';
import { isReadable, refuseDtype } from './tensor-data.ts';
import { checkFit, toTensor } from './tree-tensors.ts';

/**
 * Writes a tree as one safetensors file, atomically, each leaf under its dotted name. Returns the file's size and
 * SHA-256. Throws, leaving `file` as it was, on a NaN or infinity (naming the tensor) and on leaves that are neither
 * float32 nor int32. The tree stays the caller's.
 */
export async function saveTree(file: string, tree: Tree): Promise<FileDigest> {
  return writeSafetensors(
    file,
    treeEntries(tree).map(([name, leaf]) => [name, sourceOf(file, name, leaf)] as const),
  );
}

/**
 * Reads a file into a tree like `template`, whose leaves give names, shapes and dtypes; the caller owns the new leaves.
 * Throws, before any tensor is read, if one is missing, unexpected or of another shape or kind.
 */
export async function loadTree<T extends Tree>(file: string, template: T): Promise<T> {
  const leaves = await readLeaves(file, (header) => checkFit(file, template, header));
  return mapTree(template, (_, name) => leaves.get(name)!);
}

/**
 * Reads a file into a tree of its own making: names are split at their dots, and keys 0, 1, ... n-1 make an array. The
 * caller owns the leaves. F64 and 16-bit floats become float32, I64 int32. Throws if a name is both a tensor and a
 * prefix of another, and on a tensor of another dtype.
 */
export async function readTree(file: string): Promise<Tree> {
  const leaves = await readLeaves(file, ({ tensors }) => {
    for (const [name, { dtype }] of tensors) if (!isReadable(dtype)) refuseDtype(file, name, dtype);
    checkNesting(file, tensors);
  });
  return nest([...leaves].map(([name, leaf]) => [name === '' ? [] : name.split('.'), leaf]));
}

async function readLeaves(file: string, check: (header: SafetensorsHeader) => void): Promise<Map<string, tf.Tensor>> {
  return openSafetensors(file, async ({ header, read }) => {
    check(header);
    const leaves = new Map<string, tf.Tensor>();
    try {
      for (const [name, info] of header.tensors) leaves.set(name, toTensor(file, name, info, await read(info)));
    } catch (error) {
      tf.dispose([...leaves.values()]);
      throw error;
    }
    return leaves;
  });
}

function sourceOf(file: string, name: string, leaf: tf.Tensor): SafetensorsSource {
  const data = async () => {
    const values = (await leaf.data()) as Float32Array | Int32Array;
    const bad = values.findIndex((value) => !Number.isFinite(value));
    if (bad < 0) return values;
    throw new Error(
      `${file} was not written: '${name}' holds ${values[bad]} at element ${bad}. ` +
        'Training has diverged: go back to the last checkpoint with a lower learning rate, or find the bad batch',
    );
  };
  if (leaf.dtype === 'float32') return { dtype: 'F32', shape: leaf.shape, data };
  if (leaf.dtype === 'int32') return { dtype: 'I32', shape: leaf.shape, data };
  throw new Error(`${file} was not written: '${name}' is ${leaf.dtype}; convert it to float32 or int32`);
}

/** Throws if a name is a tensor and also holds others, as `a` and `a.b` would. */
function checkNesting(file: string, names: ReadonlyMap<string, unknown>): void {
  for (const name of names.keys()) {
    const keys = name.split('.');
    const outer = keys.map((_, i) => keys.slice(0, i).join('.')).find((prefix) => prefix !== name && names.has(prefix));
    if (outer === undefined) continue;
    throw new Error(`${file}: '${outer}' is a tensor and '${name}' lies inside it; read it with readSafetensors`);
  }
}

/** Groups leaves by the first key of their paths. Object.fromEntries makes `__proto__` a key like any other. */
function nest(leaves: readonly (readonly [path: readonly string[], leaf: tf.Tensor])[]): Tree {
  if (leaves[0]?.[0].length === 0) return leaves[0][1];
  const groups = new Map<string, [string[], tf.Tensor][]>();
  for (const [[key, ...rest], leaf] of leaves) groups.set(key!, [...(groups.get(key!) ?? []), [rest, leaf]]);
  const children = new Map([...groups].map(([key, group]) => [key, nest(group)]));
  const items = Array.from(groups.keys(), (_, i) => children.get(String(i)));
  const isArray = items.length > 0 && items.every((item) => item !== undefined);
  return isArray ? items : Object.fromEntries(children);
}
