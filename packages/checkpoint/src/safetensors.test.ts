import { mkdtemp, open, readdir, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parseSafetensors } from './bytes.ts';
import { openSafetensors, readSafetensors, writeSafetensors } from './safetensors.ts';
import type { SafetensorsEntry } from './tensor-data.ts';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'safetensors-'));
});
afterAll(() => rm(folder, { recursive: true }));

const bitsOf = ({ data }: SafetensorsEntry) =>
  Buffer.from(data.buffer, data.byteOffset, data.byteLength).toString('hex');

const TYPES = { F64: Float64Array, F32: Float32Array, I64: BigInt64Array, I32: Int32Array } as const;

/** A tensor of any writable dtype and small shape (scalars and empty ones too) whose bits are arbitrary, NaN included. */
const anyEntry = fc
  .record({
    dtype: fc.constantFrom('F64' as const, 'F32' as const, 'I64' as const, 'I32' as const),
    shape: fc.array(fc.nat({ max: 4 }), { maxLength: 4 }),
    fill: fc.uint8Array({ minLength: 8, maxLength: 64 }),
  })
  .map(({ dtype, shape, fill }): SafetensorsEntry => {
    const data = new TYPES[dtype](shape.reduce((a, b) => a * b, 1));
    const bytes = new Uint8Array(data.buffer);
    bytes.forEach((_, i) => {
      bytes[i] = fill[i % fill.length]!;
    });
    return { dtype, shape, data };
  });

const anyFile = fc.uniqueArray(fc.tuple(fc.string({ unit: 'grapheme', maxLength: 20 }), anyEntry), {
  selector: ([name]) => name,
  maxLength: 6,
});

const isReserved = (name: string) => name === '__metadata__';

describe('safetensors', () => {
  it('gives back what was written, to the bit', async () => {
    const file = join(folder, 'round-trip.safetensors');
    const anyMetadata = fc.dictionary(fc.string({ unit: 'grapheme' }), fc.string({ unit: 'grapheme' }));
    await fc.assert(
      fc.asyncProperty(anyFile, anyMetadata, async (entries, metadata) => {
        fc.pre(!entries.some(([name]) => isReserved(name)));
        const { bytes } = await writeSafetensors(file, entries, metadata);
        const read = await readSafetensors(file);
        expect((await readFile(file)).length).toBe(bytes);
        expect(read.metadata).toEqual(metadata);
        expect([...read.tensors.keys()].sort()).toEqual(entries.map(([name]) => name).sort());
        for (const [name, entry] of entries) {
          const found = read.tensors.get(name)!;
          expect({ ...found, data: bitsOf(found) }).toEqual({ ...entry, data: bitsOf(entry) });
        }
      }),
      { numRuns: 100 },
    );
  });

  it('reads what the reference implementation writes (reference/safetensors_fixtures.py)', async () => {
    const { tensors, metadata } = await readSafetensors(join(import.meta.dirname, 'fixtures/reference.safetensors'));
    const values = [0, -0, 1, -2.5, 65504, 2 ** -14, 2 ** -24, 1 / 3, Infinity, -Infinity];
    const data = (name: string) => tensors.get(name)!.data;
    expect(metadata).toEqual({ torch: '2.15.0+cu132', note: 'é ✓' });
    expect([...data('f64')]).toEqual(values);
    expect(tensors.get('f32')!.shape).toEqual([2, 5]);
    expect([...data('f32')]).toEqual(values.map(Math.fround));
    expect(data('f16')).toEqual(data('f16.widened'));
    expect(data('bf16')).toEqual(data('bf16.widened'));
    expect([...data('i64')]).toEqual([-(2n ** 53n) - 1n, 2n ** 62n]);
    expect([...data('i32')]).toEqual([-(2 ** 31), 2 ** 31 - 1]);
    expect(tensors.get('scalar')).toEqual({ dtype: 'F32', shape: [], data: Float32Array.of(7) });
    expect(tensors.get('empty')).toEqual({ dtype: 'F32', shape: [0, 3], data: new Float32Array(0) });
  });

  it('survives 500 random mutations: each is read or refused with an error that names the file', async () => {
    const file = join(folder, 'mutated.safetensors');
    await writeSafetensors(file, EXAMPLE, { note: 'x' });
    const good = await readFile(file);
    let refused = 0;
    const mutation = fc.record({
      kind: fc.constantFrom('flip', 'set', 'cut', 'insert', 'digit'),
      at: fc.nat({ max: good.length - 1 }),
      value: fc.nat({ max: 255 }),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(mutation, { minLength: 1, maxLength: 3 }), async (mutations) => {
        await writeFile(file, mutations.reduce(mutate, good));
        await readSafetensors(file).catch((error: Error) => {
          refused++;
          expect(error.name).toBe('Error');
          expect(error.message).toContain(file);
        });
      }),
      { numRuns: 500 },
    );
    expect(refused).toBeGreaterThan(200);
  });

  it('refuses a file cut at any byte, and one byte too many', async () => {
    const file = join(folder, 'cut.safetensors');
    await writeSafetensors(file, EXAMPLE);
    const good = await readFile(file);
    for (let bytes = 0; bytes < good.length; bytes++) {
      await writeFile(file, good.subarray(0, bytes));
      await expect(readSafetensors(file), `${bytes} bytes`).rejects.toThrow(
        /not a valid safetensors file.*Copy it again/,
      );
    }
    await writeFile(file, Buffer.concat([good, Buffer.alloc(1)]));
    await expect(readSafetensors(file)).rejects.toThrow('follow the header');
  });

  it('lists every dtype of the format, and refuses the data of those that it does not read, by name', async () => {
    const file = join(folder, 'dtypes.safetensors');
    const bits = { BOOL: 8, U8: 8, I8: 8, U16: 16, I16: 16, U32: 32, U64: 64, C64: 64, F8_E4M3: 8, F8_E5M2: 8 };
    const more = { F8_E8M0: 8, F8_E4M3FNUZ: 8, F8_E5M2FNUZ: 8, F6_E2M3: 6, F6_E3M2: 6, F4: 4, F32: 32, I64: 64 };
    let offset = 0;
    const header = Object.entries({ ...bits, ...more }).map(([dtype, size]) => {
      const begin = offset;
      offset += (4 * size) / 8;
      return [`x.${dtype}`, { dtype, shape: [4], data_offsets: [begin, offset] }];
    });
    await writeRaw(file, Object.fromEntries(header), offset);
    const { tensors } = await readSafetensors(file);
    expect(tensors.size).toBe(18);
    expect([...tensors.get('x.F32')!.data, ...tensors.get('x.I64')!.data]).toEqual([0, 0, 0, 0, 0n, 0n, 0n, 0n]);
    for (const [name, entry] of tensors) {
      if (['F32', 'I64'].includes(entry.dtype)) continue;
      expect(() => entry.data).toThrow(`${file}: '${name}' is of dtype ${entry.dtype}, which is not read`);
      expect(() => entry.data).toThrow('save it as F32');
    }
    const parsed = parseSafetensors(await readFile(file)).tensors.get('x.BOOL')!;
    expect(parsed.shape).toEqual([4]);
    expect(() => parsed.data).toThrow("'x.BOOL' is of dtype BOOL");
    await writeRaw(file, { a: { dtype: 'F4', shape: [3], data_offsets: [0, 1] } }, 1);
    await expect(readSafetensors(file)).rejects.toThrow('takes 12 bits, which are no whole bytes');
  });

  it('says what an index of a model in parts is', async () => {
    const file = join(folder, 'model.safetensors.index.json');
    await writeFile(file, '{\n  "metadata": {},\n  "weight_map": { "a": "model-00001-of-00002.safetensors" }\n}\n');
    const message = await readSafetensors(file).then(String, (error: Error) => error.message);
    expect(message).toContain(`${file} is not a valid safetensors file: it is JSON text`);
    expect(message).toContain('give a part');
    expect(message).not.toContain('Copy it again');
  });

  it('refuses a missing file and a folder', async () => {
    await expect(readSafetensors(join(folder, 'nothing'))).rejects.toThrow(/nothing cannot be opened \(ENOENT\)/);
    await expect(readSafetensors(folder)).rejects.toThrow(folder);
  });

  it('reads one tensor behind 5 GiB of others', async () => {
    const file = join(folder, 'large.safetensors');
    await writeSafetensors(file, [['small', { dtype: 'F32', shape: [2], data: Float32Array.of(1, 2) }]]);
    const hugeBytes = 5 * 2 ** 30;
    const header = JSON.stringify({
      huge: { dtype: 'F32', shape: [hugeBytes / 4], data_offsets: [0, hugeBytes] },
      small: { dtype: 'F32', shape: [2], data_offsets: [hugeBytes, hugeBytes + 8] },
    });
    const prefix = Buffer.alloc(8 + header.length, header, 'latin1');
    prefix.writeBigUInt64LE(BigInt(header.length));
    prefix.write(header, 8);
    const handle = await open(file, 'w');
    await handle.write(prefix, 0, prefix.length, 0);
    await handle.write(Buffer.from(Float32Array.of(1, 2).buffer), 0, 8, prefix.length + hugeBytes);
    await handle.close();
    const data = await openSafetensors(file, ({ header, read }) => read(header.tensors.get('small')!));
    expect([...data]).toEqual([1, 2]);
    await rm(file);
  });

  it('refuses a file that shrinks while it is read', async () => {
    const file = join(folder, 'shrinks.safetensors');
    await writeSafetensors(file, EXAMPLE);
    const late = openSafetensors(file, async ({ header, read }) => {
      await truncate(file, 100);
      return read([...header.tensors.values()].at(-1)!);
    });
    await expect(late).rejects.toThrow('before its last tensor');
  });

  it.each<[string, Iterable<readonly [string, SafetensorsEntry]>, RegExp]>([
    ['duplicate names', [pair('a'), pair('a')], /two tensors are named 'a'/],
    ['the reserved name', [pair('__metadata__')], /__metadata__/],
    ['too few values', [['a', { dtype: 'F32', shape: [3], data: new Float32Array(2) }]], /needs a Float32Array of 3/],
    ['the wrong array', [['a', { dtype: 'I32', shape: [2], data: new Float32Array(2) }]], /needs a Int32Array of 2/],
    ['16-bit floats', [['a', { dtype: 'F16', shape: [2], data: new Float32Array(2) }]], /only read; write it as F32/],
    [
      'a negative axis',
      [['a', { dtype: 'F32', shape: [-1], data: new Float32Array(0) }]],
      /kept.safetensors was not written: shape \[-1\]/,
    ],
  ])('does not write %s, and keeps the old file', async (_, entries, message) => {
    const file = join(folder, 'kept.safetensors');
    await writeSafetensors(file, EXAMPLE);
    const before = await readFile(file);
    await expect(writeSafetensors(file, entries)).rejects.toThrow(message);
    expect(await readFile(file)).toEqual(before);
    expect((await readdir(folder)).filter((name) => name.includes('.tmp-'))).toEqual([]);
  });
});

/** Writes a header and zeros. */
async function writeRaw(file: string, header: object, dataBytes: number): Promise<void> {
  const text = JSON.stringify(header);
  const bytes = Buffer.alloc(8 + text.length + dataBytes);
  bytes.writeBigUInt64LE(BigInt(text.length));
  bytes.write(text, 8);
  await writeFile(file, bytes);
}

function pair(name: string): [string, SafetensorsEntry] {
  return [name, { dtype: 'F32', shape: [2], data: Float32Array.of(1, 2) }];
}

const EXAMPLE: [string, SafetensorsEntry][] = [
  ['blocks.0.weight', { dtype: 'F32', shape: [2, 3], data: Float32Array.of(1, 2, 3, 4, 5, 6) }],
  ['blocks.1.weight', { dtype: 'F32', shape: [1, 3], data: Float32Array.of(7, 8, 9) }],
  ['step', { dtype: 'I32', shape: [], data: Int32Array.of(500) }],
];

function mutate(bytes: Buffer, { kind, at, value }: { kind: string; at: number; value: number }): Buffer {
  const i = at % Math.max(1, bytes.length);
  const copy = Buffer.from(bytes);
  if (kind === 'cut') return copy.subarray(0, i);
  if (kind === 'insert') return Buffer.concat([copy.subarray(0, i), Buffer.of(value), copy.subarray(i)]);
  if (kind === 'flip') copy[i] = copy[i]! ^ (1 << (value % 8));
  else if (kind === 'set') copy[i] = value;
  else copy[i] = '0123456789-.e"{}[],:'.charCodeAt(value % 20);
  return copy;
}
