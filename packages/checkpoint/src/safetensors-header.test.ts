import { describe, expect, it } from 'vitest';
import { bytesOf, F32, HOSTILE_HEADERS } from './fixtures/hostile-headers.ts';
import { formatHeader, parseHeader, parseHeaderLength } from './safetensors-header.ts';

const parse = (text: string, dataBytes = 8) => parseHeader(bytesOf(text), dataBytes);

const length = (value: bigint) => {
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setBigUint64(0, value, true);
  return bytes;
};

describe('parseHeader', () => {
  it.each(Object.entries(HOSTILE_HEADERS))('refuses %s', (_, header) => {
    let error: unknown;
    try {
      parseHeader(header, 8);
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
