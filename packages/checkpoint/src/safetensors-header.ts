/**
 * The header of a safetensors file, as specified at https://github.com/huggingface/safetensors: a 64-bit length, a JSON
 * object that places every tensor, then the tensors' bytes. Everything is validated before a reader allocates anything.
 */

/** Where a tensor lies: `begin` (inclusive) and `end` (exclusive) count bytes after the header. */
export interface TensorInfo {
  dtype: Dtype;
  shape: number[];
  begin: number;
  end: number;
}

export interface SafetensorsHeader {
  /** By name, in the order of their bytes. */
  tensors: Map<string, TensorInfo>;
  metadata: Record<string, string>;
}

const INTEGERS = { BOOL: 8, U8: 8, I8: 8, U16: 16, I16: 16, U32: 32, I32: 32, U64: 64, I64: 64 } as const;
const FLOATS = { F16: 16, BF16: 16, F32: 32, F64: 64, C64: 64 } as const;
const FP8 = { F8_E4M3: 8, F8_E5M2: 8, F8_E8M0: 8, F8_E4M3FNUZ: 8, F8_E5M2FNUZ: 8 } as const;
const SMALLER = { F4: 4, F6_E2M3: 6, F6_E3M2: 6 } as const;
/** Bits of one element of every dtype of the format. */
const DTYPE_BITS = { ...INTEGERS, ...FLOATS, ...SMALLER, ...FP8 };

/** A dtype of the format. Tensors of F64, F32, F16, BF16, I64 and I32 are read; those of the others are listed. */
export type Dtype = keyof typeof DTYPE_BITS;

/** Bytes that a tensor takes. Throws if that is no whole number, as of an odd number of 4-bit elements. */
export function countBytes(dtype: Dtype, shape: readonly number[]): number {
  const bits = countElements(shape) * DTYPE_BITS[dtype];
  if (!Number.isSafeInteger(bits)) fail(`shape [${shape.join(', ')}] is no countable shape`);
  if (bits % 8 !== 0) fail(`dtype ${dtype}, shape [${shape.join(', ')}] takes ${bits} bits, which are no whole bytes`);
  return bits / 8;
}

const MAX_HEADER_BYTES = 100_000_000;
const MAX_TENSORS = 100_000;
const MAX_RANK = 8;
const MAX_NAME_LENGTH = 512;

/** The header's length from the first 8 bytes of a file. Throws if it is over the cap or reaches past the file's end. */
export function parseHeaderLength(prefix: Uint8Array, fileBytes: number): number {
  if (fileBytes < 8 || prefix.length < 8) fail(`it has ${fileBytes} bytes; the header's length alone takes 8`);
  const length = new DataView(prefix.buffer, prefix.byteOffset).getBigUint64(0, true);
  if (length > BigInt(MAX_HEADER_BYTES) && /^\{\s*["}]/.test(new TextDecoder('latin1').decode(prefix))) {
    fail(
      'it is JSON text. Such as model.safetensors.index.json lists the parts of a model: give a part, or one file that all are saved into',
    );
  }
  if (length > BigInt(MAX_HEADER_BYTES)) fail(`its header of ${length} bytes is over the cap of ${MAX_HEADER_BYTES}`);
  if (8 + Number(length) > fileBytes) fail(`its header of ${length} bytes reaches past its end at ${fileBytes}`);
  return Number(length);
}

/** Validates the header's `bytes`, which describe exactly `dataBytes` bytes of tensors. Throws on any violation. */
export function parseHeader(bytes: Uint8Array, dataBytes: number): SafetensorsHeader {
  const text = decodeUtf8(bytes);
  const header = parseJson(text);
  if (countKeys(text) !== countParsedKeys(header)) fail('its header has duplicate names');
  const { __metadata__: metadata = {}, ...infos } = header;
  if (!isObject(metadata) || !Object.values(metadata).every((value) => typeof value === 'string')) {
    fail('__metadata__ must map strings to strings');
  }
  const entries = Object.entries(infos);
  if (entries.length > MAX_TENSORS) fail(`it has ${entries.length} tensors; at most ${MAX_TENSORS} are read`);
  const tensors = entries.map(([name, info]): [string, TensorInfo] => [checkName(name), parseInfo(name, info)]);
  tensors.sort(([, a], [, b]) => a.begin - b.begin || a.end - b.end);
  let end = 0;
  for (const [name, info] of tensors) {
    if (info.begin !== end) fail(`${quote(name)} begins at ${info.begin}, but the bytes before it end at ${end}`);
    end = info.end;
  }
  if (end !== dataBytes) fail(`its tensors take ${end} bytes, but ${dataBytes} follow the header`);
  return { tensors: new Map(tensors), metadata: metadata as Record<string, string> };
}

/** The 8 bytes of length and the header, padded with spaces to a multiple of 8 bytes. Validates what it made. */
export function formatHeader(header: SafetensorsHeader): Uint8Array {
  const infos = [...header.tensors].map(([name, { dtype, shape, begin, end }]) => [
    name,
    { dtype, shape, data_offsets: [begin, end] },
  ]);
  const text = JSON.stringify(Object.fromEntries([['__metadata__', header.metadata], ...infos]));
  const json = new TextEncoder().encode(text);
  const padded = new Uint8Array(8 + Math.ceil(json.length / 8) * 8).fill(0x20);
  padded.set(json, 8);
  new DataView(padded.buffer).setBigUint64(0, BigInt(padded.length - 8), true);
  const dataBytes = [...header.tensors.values()].reduce((most, { end }) => Math.max(most, end), 0);
  parseHeader(padded.subarray(8, 8 + parseHeaderLength(padded, padded.length + dataBytes)), dataBytes);
  return padded;
}

/** Number of elements of a shape. Throws past 2^53 - 1, and on an axis that is no whole number. */
export function countElements(shape: readonly number[]): number {
  return shape.reduce((product, axis) => {
    if (!(axis >= 0) || !Number.isSafeInteger(product * axis))
      fail(`shape [${shape.join(', ')}] is no countable shape`);
    return product * axis;
  }, 1);
}

function parseInfo(name: string, info: unknown): TensorInfo {
  if (!isObject(info)) fail(`${quote(name)} must be an object with dtype, shape and data_offsets`);
  const { dtype, shape, data_offsets: offsets } = info;
  if (typeof dtype !== 'string' || !Object.hasOwn(DTYPE_BITS, dtype)) {
    fail(`${quote(name)} has dtype ${quote(dtype)}; expected one of ${Object.keys(DTYPE_BITS).join(', ')}`);
  }
  if (!isCounts(shape) || shape.length > MAX_RANK) {
    fail(`${quote(name)} has shape ${quote(shape)}; expected at most ${MAX_RANK} integers from 0 to 2^53 - 1`);
  }
  if (!isCounts(offsets) || offsets.length !== 2 || offsets[0]! > offsets[1]!) {
    fail(`${quote(name)} has data_offsets ${quote(offsets)}; expected [begin, end] with begin <= end`);
  }
  const [begin, end] = offsets as [number, number];
  const bytes = countBytes(dtype as Dtype, shape);
  if (bytes !== end - begin) {
    fail(`${quote(name)} of dtype ${dtype}, shape [${shape.join(', ')}] takes ${bytes} bytes, not ${end - begin}`);
  }
  return { dtype: dtype as Dtype, shape, begin, end };
}

function checkName(name: string): string {
  if (name.length <= MAX_NAME_LENGTH) return name;
  return fail(`a name is ${name.length} characters long; at most ${MAX_NAME_LENGTH} are read`);
}

function decodeUtf8(bytes: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return fail('its header is not UTF-8');
  }
}

function parseJson(text: string): Record<string, unknown> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    fail('its header is not JSON');
  }
  if (!isObject(value)) fail('its header is not a JSON object');
  return value;
}

/**
 * The number of keys written in the JSON `text`; more than JSON.parse kept means duplicates, of which it keeps the last
 * in silence. Outside strings a header holds only structure and digits: signs, fractions, exponents, `true` or `null`
 * are refused here, since JSON.parse would take 1e1 or 1.0 for an integer.
 */
function countKeys(text: string): number {
  let keys = 0;
  for (let i = 0; i < text.length; i++) {
    const character = text[i]!;
    if (character === ':') keys++;
    else if (character === '"') {
      for (i++; text[i] !== '"'; i++) if (text[i] === '\\') i++;
    } else if (!'{}[],0123456789 \t\r\n'.includes(character)) {
      fail(`its header holds ${quote(character)} where only unsigned integers may stand`);
    }
  }
  return keys;
}

/** The keys that JSON.parse kept. Refuses text that is not Unicode, and nesting deeper than a header's four levels. */
function countParsedKeys(value: unknown, level = 0): number {
  if (typeof value === 'string' && /\p{Surrogate}/u.test(value)) fail('its header holds half a character');
  if (typeof value !== 'object' || value === null) return 0;
  if (level > 3) fail('its header is nested too deeply');
  const children = Array.isArray(value) ? value : Object.entries(value).flat();
  const own = Array.isArray(value) ? 0 : children.length / 2;
  return children.reduce((sum: number, child) => sum + countParsedKeys(child, level + 1), own);
}

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const isCounts = (value: unknown): value is number[] =>
  Array.isArray(value) && value.every((item) => Number.isSafeInteger(item) && item >= 0);

const quote = (value: unknown): string => String(JSON.stringify(value)).slice(0, 80);

function fail(problem: string): never {
  throw new Error(problem);
}
