import { readFile, stat } from 'node:fs/promises';
import { unzipSync, zipSync } from 'fflate';
import { writeAtomically } from './atomic-file.ts';
import { countBytes, countElements, type Dtype } from './safetensors-header.ts';
import { decode, type SafetensorsEntry } from './tensor-data.ts';

/** NumPy's names of the dtypes that are read, little-endian. */
const DTYPES: ReadonlyMap<string, Dtype> = new Map([
  ['<f8', 'F64'],
  ['<f4', 'F32'],
  ['<f2', 'F16'],
  ['<i8', 'I64'],
  ['<i4', 'I32'],
]);
const NPY_MAGIC = '\x93NUMPY';
/** An array in memory at most; a zip says itself how large its files are. */
const MAX_ARRAY_BYTES = 2 ** 31;
const MAX_FILE_BYTES = 2 ** 31;

/**
 * Reads the arrays of an .npz file, as `numpy.savez` and `savez_compressed` write them, by name; whole, so that it must be under
 * 2 GiB, as must each array. Throws, naming the file, on anything else, on big-endian, Fortran-ordered or object arrays, which
 * could hold code, and on dtypes other than floats and signed integers of 32 or 64 bits and float16.
 */
export async function readNpz(file: string): Promise<Map<string, SafetensorsEntry>> {
  const fail = (problem: string): never => {
    throw new Error(`${file} cannot be read as npz: ${problem}`);
  };
  const { size } = await stat(file).catch((error: NodeJS.ErrnoException) => fail(`${error.code}; check the path`));
  if (size > MAX_FILE_BYTES) fail(`it has ${size} bytes, and at most ${MAX_FILE_BYTES} are read; make it safetensors`);
  const large: string[] = [];
  let members: Record<string, Uint8Array>;
  try {
    members = unzipSync(await readFile(file), {
      filter: ({ name, originalSize }) => {
        if (originalSize > MAX_ARRAY_BYTES) large.push(name);
        return name.endsWith('.npy') && originalSize <= MAX_ARRAY_BYTES;
      },
    });
  } catch (error) {
    return fail(`${(error as Error).message}. Copy it again, or save it anew with numpy.savez`);
  }
  if (large.length > 0) fail(`'${large[0]}' is over ${MAX_ARRAY_BYTES} bytes; make it safetensors`);
  if (Object.keys(members).length === 0) fail('it holds no array');
  const entries = Object.entries(members).map(([member, bytes]): [string, SafetensorsEntry] => {
    const name = member.slice(0, -'.npy'.length);
    try {
      return [name, parseNpy(bytes)];
    } catch (error) {
      return fail(`'${name}': ${(error as Error).message}`);
    }
  });
  return new Map(entries);
}

/** One array: a magic, a version, a header that is a Python dict, and the numbers. */
function parseNpy(bytes: Uint8Array): SafetensorsEntry {
  const text = (from: number, to: number) => String.fromCharCode(...bytes.subarray(from, to));
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  if (bytes.length < 12 || text(0, 6) !== NPY_MAGIC) throw new Error('it is no NumPy array');
  const isFirst = bytes[6] === 1;
  const start = isFirst ? 10 : 12;
  const end = start + (isFirst ? view.getUint16(8, true) : view.getUint32(8, true));
  if (end > Math.min(bytes.length, 65_536)) throw new Error('its header reaches past its end');
  const header = text(start, end);
  const descr = /'descr':\s*'([^']*)'/.exec(header)?.[1];
  const isFortran = /'fortran_order':\s*(True|False)/.exec(header)?.[1];
  const sides = /'shape':\s*\(([\d,\s]*)\)/.exec(header)?.[1];
  if (descr === undefined || isFortran === undefined || sides === undefined) {
    throw new Error(`its header is ${header.trim()}: arrays of plain numbers are read`);
  }
  if (isFortran === 'True') throw new Error('it is in Fortran order; save numpy.ascontiguousarray of it');
  const dtype = DTYPES.get(descr);
  if (!dtype) throw new Error(`its dtype is ${descr}; read are ${[...DTYPES.keys()].join(', ')}`);
  const shape = sides.split(',').flatMap((side) => (side.trim() === '' ? [] : [Number(side)]));
  const size = countBytes(dtype, shape);
  if (size !== bytes.length - end) {
    throw new Error(`${descr} of shape (${shape.join(', ')}) has ${size} bytes, it has ${bytes.length - end}`);
  }
  return { dtype, shape, data: decode(dtype, new Uint8Array(bytes.subarray(end)).buffer) };
}

/** Writes float arrays as an .npz file that `numpy.load` reads, atomically. Throws unless numbers fill the shapes. */
export async function writeNpz(
  file: string,
  arrays: Readonly<Record<string, { shape: readonly number[]; data: Float32Array | Float64Array }>>,
): Promise<void> {
  const members = Object.entries(arrays).map(([name, { shape, data }]) => {
    if (countElements(shape) !== data.length) {
      throw new Error(`writeNpz: '${name}' has ${data.length} numbers for the shape [${shape.join(', ')}]`);
    }
    const descr = data instanceof Float64Array ? '<f8' : '<f4';
    const sides = shape.length === 1 ? `${shape[0]},` : shape.join(', ');
    const dict = `{'descr': '${descr}', 'fortran_order': False, 'shape': (${sides}), }`;
    const padded = `${dict.padEnd(Math.ceil((10 + dict.length + 1) / 64) * 64 - 11)}\n`; // the numbers begin at 64 n
    const head = Uint8Array.from(`${NPY_MAGIC}\x01\x00\x00\x00${padded}`, (letter) => letter.charCodeAt(0));
    new DataView(head.buffer).setUint16(8, padded.length, true);
    const bytes = new Uint8Array(head.length + data.byteLength);
    bytes.set(head);
    bytes.set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength), head.length);
    return [`${name}.npy`, bytes] as const;
  });
  await writeAtomically(file, (append) => append(zipSync(Object.fromEntries(members), { level: 0 })));
}
