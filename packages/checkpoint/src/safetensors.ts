import { open } from 'node:fs/promises';
import { type FileDigest, readFully, writeAtomically } from './atomic-file.ts';
import {
  countBytes,
  countElements,
  formatHeader,
  parseHeader,
  parseHeaderLength,
  type SafetensorsHeader,
  type TensorInfo,
} from './safetensors-header.ts';
import { decode, isReadable, type SafetensorsEntry, type TensorData, unreadableEntry } from './tensor-data.ts';

/** What `writeSafetensors` takes: a tensor, or one whose data are fetched when their turn comes, to hold one at a time. */
export type SafetensorsSource = Omit<SafetensorsEntry, 'data'> & { data: TensorData | (() => Promise<TensorData>) };

/**
 * Writes named tensors and string metadata as one safetensors file, in the given order, atomically: `file` holds its old
 * content or all of the new. Returns its size and SHA-256. Throws, leaving `file` as it was, on a duplicate name, on
 * data that do not match dtype and shape, on whatever the reader would refuse, and on I/O errors.
 */
export async function writeSafetensors(
  file: string,
  entries: Iterable<readonly [name: string, entry: SafetensorsSource]>,
  metadata: Readonly<Record<string, string>> = {},
): Promise<FileDigest> {
  const list = [...entries];
  const header = placeTensors(file, list, metadata);
  return writeAtomically(file, async (append) => {
    await append(header);
    for (const [name, entry] of list) {
      const data = typeof entry.data === 'function' ? await entry.data() : entry.data;
      checkData(name, entry, data);
      await append(data);
    }
  });
}

/** The header that places the tensors one after the other. */
function placeTensors(
  file: string,
  entries: readonly (readonly [name: string, entry: SafetensorsSource])[],
  metadata: Readonly<Record<string, string>>,
): Uint8Array {
  const tensors = new Map<string, TensorInfo>();
  let offset = 0;
  try {
    for (const [name, { dtype, shape }] of entries) {
      if (tensors.has(name)) throw new Error(`two tensors are named '${name}'; give each its own name`);
      const end = offset + countBytes(dtype, shape);
      tensors.set(name, { dtype, shape: [...shape], begin: offset, end });
      offset = end;
    }
    return formatHeader({ tensors, metadata });
  } catch (error) {
    throw new Error(`${file} was not written: ${(error as Error).message}`);
  }
}

/**
 * Reads a whole safetensors file. Throws, naming the file, what is wrong and the way out, unless all of it is valid. Tensors of
 * dtypes that are not read, such as BOOL, are listed: asking for their data throws.
 */
export async function readSafetensors(
  file: string,
): Promise<{ tensors: Map<string, SafetensorsEntry>; metadata: Record<string, string> }> {
  return openSafetensors(file, async ({ header, read }) => {
    const tensors = new Map<string, SafetensorsEntry>();
    for (const [name, info] of header.tensors) {
      const entry = async () => ({ dtype: info.dtype, shape: info.shape, data: await read(info) });
      tensors.set(name, isReadable(info.dtype) ? await entry() : unreadableEntry(file, name, info));
    }
    return { tensors, metadata: header.metadata };
  });
}

export interface OpenSafetensors {
  header: SafetensorsHeader;
  read(info: TensorInfo): Promise<TensorData>;
}

/** Validates `file`'s header, hands it to `use` with a function that reads single tensors, then closes the file. */
export async function openSafetensors<T>(file: string, use: (contents: OpenSafetensors) => Promise<T>): Promise<T> {
  const handle = await open(file, 'r').catch((error: NodeJS.ErrnoException) => {
    throw new Error(`${file} cannot be opened (${error.code}): check the path, or load another checkpoint`);
  });
  /** Errors about the file's content; those thrown by `use` pass as they are. */
  const reading = <R>(promise: Promise<R>): Promise<R> =>
    promise.catch((error: Error) => {
      const wayOut = /^it is JSON/.test(error.message)
        ? ''
        : '. Copy it again from its source, or load another checkpoint';
      throw new Error(`${file} is not a valid safetensors file: ${error.message}${wayOut}`);
    });
  const readHeader = async () => {
    const { size } = await handle.stat();
    const prefix = new Uint8Array(Math.min(8, size));
    await readFully(handle, prefix, 0);
    const bytes = new Uint8Array(parseHeaderLength(prefix, size));
    await readFully(handle, bytes, 8);
    return { header: parseHeader(bytes, size - 8 - bytes.length), start: 8 + bytes.length };
  };
  try {
    const { header, start } = await reading(readHeader());
    const read = async (info: TensorInfo) => {
      const raw = new Uint8Array(info.end - info.begin);
      await readFully(handle, raw, start + info.begin);
      return decode(info.dtype, raw.buffer);
    };
    return await use({ header, read: (info) => reading(read(info)) });
  } finally {
    await handle.close();
  }
}

function checkData(name: string, { dtype, shape }: SafetensorsSource, data: TensorData): void {
  const types = { F64: Float64Array, F32: Float32Array, I64: BigInt64Array, I32: Int32Array };
  if (!(dtype in types))
    throw new Error(`writeSafetensors: '${name}' is ${dtype}, which is only read; write it as F32`);
  const type = types[dtype as keyof typeof types];
  const size = countElements(shape);
  if (data instanceof type && data.length === size) return;
  throw new Error(
    `writeSafetensors: '${name}' of dtype ${dtype}, shape [${shape.join(', ')}] needs a ${type.name} of ${size}, ` +
      `got a ${data.constructor.name} of ${data.length}`,
  );
}
