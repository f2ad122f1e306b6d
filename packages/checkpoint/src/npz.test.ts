import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import fc from 'fast-check';
import { zipSync } from 'fflate';
import { afterAll, describe, expect, it } from 'vitest';
import { readNpz, writeNpz } from './npz.ts';

const folder = mkdtempSync(join(tmpdir(), 'npz-'));
afterAll(() => rmSync(folder, { recursive: true }));
const fixture = (name: string) => fileURLToPath(new URL(`./fixtures/${name}.npz`, import.meta.url));

function zipped(header: string, bytes = 8): string {
  const head = `\x93NUMPY\x01\x00${String.fromCharCode(header.length, 0)}${header}`;
  const npy = new Uint8Array(head.length + bytes);
  npy.set(Uint8Array.from(head, (letter) => letter.charCodeAt(0)));
  const file = join(folder, 'made.npz');
  writeFileSync(file, zipSync({ 'x.npy': npy }));
  return file;
}
const header = (descr: string, shape: string, order = 'False') =>
  `{'descr': '${descr}', 'fortran_order': ${order}, 'shape': (${shape}), }\n`;

describe('readNpz', () => {
  it.each(['plain', 'compressed'])('reads what NumPy wrote, %s (reference/npz_fixtures.py)', async (name) => {
    const arrays = await readNpz(fixture(name));
    expect([...arrays.keys()]).toEqual(['single', 'double', 'half', 'whole', 'long', 'scalar', 'empty']);
    expect(arrays.get('single')).toEqual({
      dtype: 'F32',
      shape: [2, 3],
      data: Float32Array.of(0, 0.5, 1, 1.5, 2, 2.5),
    });
    expect(arrays.get('double')).toEqual({ dtype: 'F64', shape: [2], data: Float64Array.of(1 / 3, -1e300) });
    expect(arrays.get('half')).toEqual({ dtype: 'F16', shape: [3], data: Float32Array.of(1, -0.5, 65504) });
    expect(arrays.get('whole')).toEqual({ dtype: 'I32', shape: [1, 2], data: Int32Array.of(-7, 2 ** 31 - 1) });
    expect(arrays.get('long')).toEqual({ dtype: 'I64', shape: [1], data: BigInt64Array.of(-(2n ** 62n)) });
    expect(arrays.get('scalar')).toEqual({ dtype: 'F64', shape: [], data: Float64Array.of(2.5) });
    expect(arrays.get('empty')).toEqual({ dtype: 'F32', shape: [0, 4], data: new Float32Array(0) });
  });

  it.each([
    [header('<f4', '2, 1'), undefined],
    [header('<f4', '3,'), /<f4 of shape \(3\) has 12 bytes, it has 8/],
    [header('>f4', '2,'), /dtype is >f4/],
    [header('|O', '1,'), /dtype is \|O/],
    [header('<f4', '2,', 'True'), /Fortran order; save numpy.ascontiguousarray/],
    ["{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (2,), }", /arrays of plain numbers/],
    [header('<f4', '99999999999999999999, 2'), /'x'/],
  ])('reads, or refuses, %s', async (text, message) => {
    const reading = readNpz(zipped(text));
    if (message) await expect(reading).rejects.toThrow(message);
    else expect((await reading).get('x')!.shape).toEqual([2, 1]);
  });

  it('refuses what is no npz, naming it, and no mutation ends the process', async () => {
    await expect(readNpz(join(folder, 'nowhere.npz'))).rejects.toThrow(/nowhere.npz cannot be read as npz: ENOENT/);
    const file = join(folder, 'mutated.npz');
    writeFileSync(file, 'text');
    await expect(readNpz(file)).rejects.toThrow(/mutated.npz cannot be read/);
    writeFileSync(file, zipSync({ 'readme.txt': new Uint8Array(4) }));
    await expect(readNpz(file)).rejects.toThrow('it holds no array');
    const good = readFileSync(fixture('plain'));
    await fc.assert(
      fc.asyncProperty(fc.nat(good.length - 1), fc.nat(255), fc.boolean(), async (place, value, cut) => {
        const bytes = Uint8Array.from(good);
        bytes[place] = value;
        writeFileSync(file, cut ? bytes.subarray(0, place) : bytes);
        await readNpz(file).catch((error: Error) =>
          expect(error.message).toContain('mutated.npz cannot be read as npz'),
        );
      }),
      { numRuns: 300 },
    );
  });
});

describe('writeNpz', () => {
  it('writes what readNpz reads', async () => {
    const file = join(folder, 'written.npz');
    const a = { shape: [2, 2], data: Float32Array.of(1, 2, 3, 4) };
    const b = { shape: [3], data: Float64Array.of(0.1, 0.2, 0.3) };
    await writeNpz(file, { a, b });
    const arrays = await readNpz(file);
    expect(arrays.get('a')).toEqual({ dtype: 'F32', ...a });
    expect(arrays.get('b')).toEqual({ dtype: 'F64', ...b });
    await expect(writeNpz(file, { a: { ...a, shape: [5] } })).rejects.toThrow("'a' has 4 numbers for the shape [5]");
  });
});
