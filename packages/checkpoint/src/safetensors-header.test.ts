import { describe, expect, it } from 'vitest';
import { formatHeader, parseHeader, parseHeaderLength } from './safetensors-header.ts';

const bytesOf = (text: string) => new TextEncoder().encode(text);
const F32 = (shape: string, offsets: string) => `{"dtype":"F32","shape":${shape},"data_offsets":${offsets}}`;
const parse = (text: string, dataBytes = 8) => parseHeader(bytesOf(text), dataBytes);

const length = (value: bigint) => {
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setBigUint64(0, value, true);
  return bytes;
};

/** Each breaks one rule; the data that follow the header take 8 bytes. */
const HOSTILE: Record<string, string | Uint8Array> = {
  'empty header': '',
  'not JSON': '{"a":',
  'JSON array': '[]',
  'JSON null': 'null',
  'byte order mark': `\uFEFF{"a":${F32('[2]', '[0,8]')}}`,
  'not UTF-8': Uint8Array.of(0x7b, 0x22, 0xff, 0x22, 0x7d),
  'overlong UTF-8': Uint8Array.of(0x7b, 0x22, 0xc0, 0xaf, 0x22, 0x7d),
  'text after the object': `{"a":${F32('[2]', '[0,8]')}}x`,
  'no tensors for the bytes': '{}',
  'info is a string': '{"a":"F32"}',
  'info is an array': '{"a":[0,8]}',
  'info is null': '{"a":null}',
  'dtype missing': '{"a":{"shape":[2],"data_offsets":[0,8]}}',
  'dtype unknown': '{"a":{"dtype":"F31","shape":[2],"data_offsets":[0,8]}}',
  'dtype a property of objects': '{"a":{"dtype":"constructor","shape":[2],"data_offsets":[0,8]}}',
  'dtype not a string': '{"a":{"dtype":["F32"],"shape":[2],"data_offsets":[0,8]}}',
  'shape missing': '{"a":{"dtype":"F32","data_offsets":[0,8]}}',
  'shape a number': `{"a":${F32('2', '[0,8]')}}`,
  'shape negative twice': `{"a":${F32('[-1,-2]', '[0,8]')}}`,
  'shape fractional': `{"a":${F32('[1.5]', '[0,8]')}}`,
  'shape written 2.0': `{"a":${F32('[2.0]', '[0,8]')}}`,
  'shape written 2e0': `{"a":${F32('[2e0]', '[0,8]')}}`,
  'shape minus zero': `{"a":${F32('[2,-0]', '[0,8]')}}`,
  'shape text': `{"a":${F32('["2"]', '[0,8]')}}`,
  'shape nested': `{"a":${F32('[[2]]', '[0,8]')}}`,
  'shape null': `{"a":${F32('[null]', '[0,8]')}}`,
  'shape 1e400': `{"a":${F32('[1e400]', '[0,8]')}}`,
  'shape 2^53': `{"a":${F32('[9007199254740992,0]', '[0,8]')}}`,
  'shape product overflows to the right size': `{"a":${F32('[4294967296,4294967296,2]', '[0,8]')}}`,
  'shape product overflows, then times zero': `{"a":${F32('[4503599627370496,4,0]', '[0,0]')},"b":${F32('[2]', '[0,8]')}}`,
  'rank 9': `{"a":${F32('[2,1,1,1,1,1,1,1,1]', '[0,8]')}}`,
  'size below the offsets': `{"a":${F32('[1]', '[0,8]')}}`,
  'size above the offsets': `{"a":${F32('[3]', '[0,8]')}}`,
  'offsets missing': '{"a":{"dtype":"F32","shape":[2]}}',
  'one offset': `{"a":${F32('[2]', '[8]')}}`,
  'three offsets': `{"a":${F32('[2]', '[0,8,8]')}}`,
  'offsets reversed': `{"a":${F32('[2]', '[8,0]')}}`,
  'offset negative': `{"a":${F32('[2]', '[-8,0]')}}`,
  'end past the data': `{"a":${F32('[3]', '[0,12]')}}`,
  'data past the end': `{"a":${F32('[1]', '[0,4]')}}`,
  'first tensor not at zero': `{"a":${F32('[1]', '[4,8]')}}`,
  'hole between tensors': `{"a":${F32('[0]', '[0,0]')},"b":${F32('[1]', '[4,8]')}}`,
  overlap: `{"a":${F32('[2]', '[0,8]')},"b":${F32('[1]', '[4,8]')}}`,
  'two tensors on the same bytes': `{"a":${F32('[2]', '[0,8]')},"b":${F32('[2]', '[0,8]')}}`,
  'duplicate name, other bytes': `{"a":${F32('[1]', '[0,4]')},"a":${F32('[1]', '[4,8]')}}`,
  'duplicate name, same bytes': `{"a":${F32('[2]', '[0,8]')},"a":${F32('[2]', '[0,8]')}}`,
  'duplicate name, escaped': `{"a":${F32('[2]', '[0,8]')},"\\u0061":${F32('[2]', '[0,8]')}}`,
  'duplicate shape': '{"a":{"dtype":"F32","shape":[9],"shape":[2],"data_offsets":[0,8]}}',
  'name of 513 characters': `{"${'a'.repeat(513)}":${F32('[2]', '[0,8]')}}`,
  'half a character in a name': `{"\\ud800":${F32('[2]', '[0,8]')}}`,
  'metadata a string': `{"__metadata__":"x","a":${F32('[2]', '[0,8]')}}`,
  'metadata an array': `{"__metadata__":["x"],"a":${F32('[2]', '[0,8]')}}`,
  'metadata with a number': `{"__metadata__":{"x":1},"a":${F32('[2]', '[0,8]')}}`,
  'metadata with an object': `{"__metadata__":{"x":{}},"a":${F32('[2]', '[0,8]')}}`,
  'nested 100,000 deep': `{"a":${'['.repeat(1e5)}${']'.repeat(1e5)}}`,
};

describe('parseHeader', () => {
  it.each(Object.entries(HOSTILE))('refuses %s', (_, header) => {
    const bytes = typeof header === 'string' ? bytesOf(header) : header;
    let error: unknown;
    try {
      parseHeader(bytes, 8);
    } catch (thrown) {
      error = thrown;
    }
    expect(error).toBeInstanceOf(Error);
    expect((error as Error).name).toBe('Error'); // not a RangeError or TypeError from an unforeseen path
    expect((error as Error).message.length).toBeLessThan(700);
  });

  it('refuses more than 100,000 tensors', () => {
    const many = Array.from({ length: 100_001 }, (_, i) => `"${i}":${F32('[0]', '[0,0]')}`);
    expect(() => parse(`{${many.join(',')}}`, 0)).toThrow('100001 tensors');
  });

  it('accepts padding, empty tensors, scalars, names of object properties and unusual order', () => {
    const text = ` {"__proto__":${F32('[]', '[4,8]')},"constructor":${F32('[0,5]', '[4,4]')},"10":${F32('[1,1]', '[0,4]')}}  `;
    const { tensors, metadata } = parse(text);
    expect([...tensors.keys()]).toEqual(['10', 'constructor', '__proto__']);
    expect(tensors.get('__proto__')).toEqual({ dtype: 'F32', shape: [], begin: 4, end: 8 });
    expect(metadata).toEqual({});
    expect(Object.getPrototypeOf({})).toBe(Object.prototype);
    expect(parse('{}', 0).tensors.size).toBe(0);
  });

  it('keeps quotes, colons and backslashes inside strings', () => {
    const metadata = { 'a:"b\\': '{"x": -1.5e3, true}', __proto__note: '\\"' };
    const formatted = formatHeader({ tensors: new Map(), metadata });
    expect(formatted.length % 8).toBe(0);
    expect(parseHeader(formatted.subarray(8), 0).metadata).toEqual(metadata);
  });
});

describe('parseHeaderLength', () => {
  it.each([
    ['no room for the length', new Uint8Array(7), 7],
    ['past the end by one', length(93n), 100],
    ['over the cap', length(100_000_001n), 2 ** 40],
    ['all bits set', length(2n ** 64n - 1n), 2 ** 40],
    ['sign bit set', length(2n ** 63n), 2 ** 40],
    ['low 32 bits harmless', length(2n ** 32n + 2n), 100],
  ])('refuses %s', (_, prefix, fileBytes) => {
    expect(() => parseHeaderLength(prefix, fileBytes)).toThrow(Error);
  });

  it('reads a length that ends with the file', () => {
    expect(parseHeaderLength(length(92n), 100)).toBe(92);
  });
});
