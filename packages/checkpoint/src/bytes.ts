/** The package's entry for browsers: safetensors from bytes that are in memory already, without Node's file system. */
import { fillTree, type Tree, treeEntries } from '@eflow/tensor';
import * as tf from '@tensorflow/tfjs-core';
import { parseHeader, parseHeaderLength, type SafetensorsHeader, type TensorInfo } from './safetensors-header.ts';
import { decode, isReadable, type SafetensorsEntry, type TensorData, unreadableEntry } from './tensor-data.ts';
import { checkFit, toTensor } from './tree-tensors.ts';

export type { Dtype } from './safetensors-header.ts';
export type { SafetensorsEntry, TensorData } from './tensor-data.ts';

/**
 * Reads a whole safetensors file from its bytes, which may start anywhere in their buffer; the data are copies. Validates
 * as `readSafetensors` does, and throws, saying what is wrong and the way out, unless all of it is valid.
 */
export function parseSafetensors(bytes: Uint8Array | ArrayBuffer): {
  tensors: Map<string, SafetensorsEntry>;
  metadata: Record<string, string>;
} {
  const { header, read } = open('parseSafetensors', bytes);
  const tensors = new Map<string, SafetensorsEntry>();
  for (const [name, info] of header.tensors) {
    const { dtype, shape } = info;
    const entry = isReadable(dtype)
      ? { dtype, shape, data: read(info) }
      : unreadableEntry('parseSafetensors', name, info);
    tensors.set(name, entry);
  }
  return { tensors, metadata: header.metadata };
}

/**
 * Reads the bytes of a safetensors file into a tree like `template`, whose leaves give names, shapes and dtypes, as
 * `loadTree` reads a file; the caller owns the new leaves. Throws, before any tensor is made, if the bytes are no valid
 * file, or a tensor is missing, unexpected or of another shape or kind.
 */
export function parseTree<T extends Tree>(bytes: Uint8Array | ArrayBuffer, template: T): T {
  const { header, read } = open('parseTree', bytes);
  checkFit('parseTree: the file', template, header);
  const leaves = tf.tidy(() =>
    treeEntries(template).map(([name]) => {
      const info = header.tensors.get(name)!;
      return toTensor('parseTree', name, info, read(info));
    }),
  );
  return fillTree(template, leaves);
}

/** The validated header, and a function that reads single tensors. */
function open(
  where: string,
  bytes: Uint8Array | ArrayBuffer,
): { header: SafetensorsHeader; read: (info: TensorInfo) => TensorData } {
  const file = ArrayBuffer.isView(bytes) ? bytes : new Uint8Array(bytes);
  const copy = (begin: number, end: number) => new Uint8Array(file.subarray(begin, end));
  try {
    const start = 8 + parseHeaderLength(file, file.length);
    const header = parseHeader(copy(8, start), file.length - start);
    return { header, read: ({ dtype, begin, end }) => decode(dtype, copy(start + begin, start + end).buffer) };
  } catch (error) {
    throw new Error(
      `${where}: the ${file.length} bytes are not a valid safetensors file: ${(error as Error).message}. ` +
        'Check that the server answered with the file, and with all of it (status 200), or load another checkpoint',
    );
  }
}
