import type { Dtype, TensorInfo } from './safetensors-header.ts';

export type TensorData = Float64Array | Float32Array | BigInt64Array | Int32Array;

/** One tensor of a file: F64, F32, I64 and I32 as they are, F16 and BF16 widened to float32 (exact, and only read). */
export interface SafetensorsEntry {
  dtype: Dtype;
  shape: readonly number[];
  /** Asking for it throws, with name and dtype, where the dtype is not read. */
  readonly data: TensorData;
}

const READABLE: readonly Dtype[] = ['F64', 'F32', 'F16', 'BF16', 'I64', 'I32'];

/** Whether tensors of this dtype are read. */
export const isReadable = (dtype: Dtype): boolean => READABLE.includes(dtype);

/** A tensor that is listed, and refused where it is asked for. `where` names the file. */
export const unreadableEntry = (where: string, name: string, { dtype, shape }: TensorInfo): SafetensorsEntry => ({
  dtype,
  shape,
  get data(): never {
    return refuseDtype(where, name, dtype);
  },
});

/** Throws: tensors of this dtype are not read. */
export function refuseDtype(where: string, name: string, dtype: Dtype): never {
  throw new Error(
    `${where}: '${name}' is of dtype ${dtype}, which is not read, only ${READABLE.join(', ')}: save it as F32, or as I32 if it holds integers`,
  );
}

/**
 * The numbers of a tensor's `bytes`, which may not be changed afterwards. The format is little-endian, and so is every
 * platform that this runs on: the bytes are the numbers.
 */
export function decode(dtype: Dtype, bytes: ArrayBuffer): TensorData {
  switch (dtype) {
    case 'F64':
      return new Float64Array(bytes);
    case 'F32':
      return new Float32Array(bytes);
    case 'I64':
      return new BigInt64Array(bytes);
    case 'I32':
      return new Int32Array(bytes);
    case 'BF16':
      return new Float32Array(Uint32Array.from(new Uint16Array(bytes), (bits) => bits << 16).buffer);
    case 'F16':
      return Float32Array.from(new Uint16Array(bytes), widenHalf);
    default:
      throw new Error(`tensors of dtype ${dtype} are not read`); // callers ask isReadable first
  }
}

/** IEEE 754 binary16 (1 sign, 5 exponent, 10 fraction bits) as a number. */
function widenHalf(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 0x1f;
  const fraction = bits & 0x3ff;
  if (exponent === 0x1f) return fraction ? Number.NaN : sign * Number.POSITIVE_INFINITY;
  return exponent === 0 ? sign * fraction * 2 ** -24 : sign * (1024 + fraction) * 2 ** (exponent - 25);
}
