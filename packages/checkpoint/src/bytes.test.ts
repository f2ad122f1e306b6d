import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { disposeTree, treeEntries } from '@eflow/tensor';
import * as tf from '@tensorflow/tfjs-core';
import { build } from 'esbuild';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parseSafetensors, parseTree } from './bytes.ts';
import { readSafetensors, writeSafetensors } from './safetensors.ts';
import type { SafetensorsEntry } from './tensor-data.ts';
import { loadTree, saveTree } from './tree-file.ts';

const EXAMPLE: [string, SafetensorsEntry][] = [
  ['blocks.0.weight', { dtype: 'F32', shape: [2, 3], data: Float32Array.of(1, -0, 3, 4, 5, 6) }],
  ['wide', { dtype: 'F64', shape: [2], data: Float64Array.of(0.1, Number.NaN) }],
  ['big', { dtype: 'I64', shape: [1], data: BigInt64Array.of(-(2n ** 60n)) }],
  ['step', { dtype: 'I32', shape: [], data: Int32Array.of(500) }],
];
const REFERENCE = join(import.meta.dirname, 'fixtures/reference.safetensors');

let folder: string;
let example: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'bytes-'));
  example = join(folder, 'example.safetensors');
  await writeSafetensors(example, EXAMPLE, { note: 'x' });
});
afterAll(() => rm(folder, { recursive: true }));

/** The same bytes, `offset` bytes into a larger buffer. */
function shift(bytes: Uint8Array, offset: number): Uint8Array {
  const buffer = new Uint8Array(offset + bytes.length + 5).fill(0xab);
  buffer.set(bytes, offset);
  return buffer.subarray(offset, offset + bytes.length);
}

/** What a reader makes of a file, or why it does not. */
const outcome = async (read: () => Promise<unknown> | unknown) => {
  try {
    return { value: await read() };
  } catch (error) {
    return { problem: /not a valid safetensors file: (.*?)\. (Copy|Check)/s.exec((error as Error).message)?.[1] };
  }
};

describe('parseSafetensors', () => {
  it.each(['example', 'reference'])('gives what the file reader gives, wherever the bytes begin: %s', async (name) => {
    const file = name === 'example' ? example : REFERENCE;
    const expected = await readSafetensors(file);
    const bytes = await readFile(file);
    for (const offset of [0, 1, 2, 3, 4, 7, 8]) {
      const parsed = parseSafetensors(shift(bytes, offset));
      expect(parsed).toEqual(expected);
      expect([...parsed.tensors.keys()]).toEqual([...expected.tensors.keys()]);
    }
    expect(parseSafetensors(new Uint8Array(bytes).buffer)).toEqual(expected);
  });

  it('gives copies', async () => {
    const bytes = await readFile(example);
    const { tensors } = parseSafetensors(bytes);
    const before = [...tensors.get('blocks.0.weight')!.data];
    bytes.fill(0);
    expect([...tensors.get('blocks.0.weight')!.data]).toEqual(before);
  });

  it('refuses what the file reader refuses, for the same reason', async () => {
    const good = await readFile(example);
    const file = join(folder, 'damaged.safetensors');
    let refused = 0;
    await fc.assert(
      fc.asyncProperty(fc.nat({ max: good.length - 1 }), fc.nat({ max: 255 }), fc.boolean(), async (at, value, cut) => {
        const damaged = cut ? good.subarray(0, at) : Buffer.from(good);
        if (!cut) damaged[at] = value;
        await writeFile(file, damaged);
        const parsed = await outcome(() => parseSafetensors(damaged));
        expect(parsed).toEqual(await outcome(() => readSafetensors(file)));
        if ('problem' in parsed) {
          refused++;
          expect(parsed.problem).toBeTruthy();
        }
      }),
      { numRuns: 300 },
    );
    expect(refused).toBeGreaterThan(100);
  });

  it('refuses an error page, nothing at all, and one byte too many, and says what to check', async () => {
    const refuse = (bytes: Uint8Array) => expect(() => parseSafetensors(bytes));
    refuse(Buffer.from('<!doctype html><title>404</title>')).toThrow(
      /^parseSafetensors: the 33 bytes are not a valid safetensors file: .* Check that the server answered with the file/,
    );
    refuse(new Uint8Array()).toThrow("it has 0 bytes; the header's length alone takes 8");
    refuse(Buffer.concat([await readFile(example), Buffer.alloc(1)])).toThrow('follow the header');
  });
});

describe('parseTree', () => {
  const tree = { blocks: [{ weight: tf.tensor2d([[1, 2.5, -3]]), step: tf.scalar(7, 'int32') }], bias: tf.zeros([0]) };
  let bytes: Uint8Array;
  beforeAll(async () => {
    await saveTree(join(folder, 'tree.safetensors'), tree);
    bytes = await readFile(join(folder, 'tree.safetensors'));
  });

  it('gives what loadTree gives, in tensors of its own, and no others', async () => {
    const values = (t: typeof tree) =>
      treeEntries(t).map(([name, leaf]) => [name, leaf.dtype, leaf.shape, [...leaf.dataSync()]]);
    const loaded = await loadTree(join(folder, 'tree.safetensors'), tree);
    const before = tf.memory().numTensors;
    const parsed = parseTree(shift(bytes, 3), tree);
    expect(tf.memory().numTensors).toBe(before + 3);
    expect(values(parsed)).toEqual(values(loaded));
    expect(Array.isArray(parsed.blocks)).toBe(true);
    disposeTree(parsed);
    expect(tree.blocks[0]!.weight.isDisposed).toBe(false);
  });

  it("names the first tensors that differ from another network's, and leaves none behind", () => {
    const before = tf.memory().numTensors;
    tf.tidy(() => {
      const other = { blocks: [{ weight: tf.zeros([1, 6]), gate: tf.zeros([1]) }], bias: tf.zeros([0]) };
      expect(() => parseTree(bytes, other)).toThrow(
        "parseTree: the file does not fit the network: 'blocks.0.weight' is [1, 3] here and [1, 6] in the network; " +
          "it lacks 'blocks.0.gate'; the network has no 'blocks.0.step'. Was it saved with another preset?",
      );
    });
    expect(() => parseTree(bytes.subarray(1), tree)).toThrow('parseTree: the');
    expect(tf.memory().numTensors).toBe(before);
  });

  it('refuses an I64 that int32 cannot hold, and leaves no tensor behind', async () => {
    const file = join(folder, 'wide.safetensors');
    await writeSafetensors(file, [EXAMPLE[0]!, EXAMPLE[2]!]);
    const template = { blocks: [{ weight: tf.zeros([2, 3]) }], big: tf.zeros([1], 'int32') };
    const wide = await readFile(file);
    const before = tf.memory().numTensors;
    expect(() => parseTree(wide, template)).toThrow("'big' holds -1152921504606846976, too large for int32");
    expect(tf.memory().numTensors).toBe(before);
  });
});

describe('the entry for browsers', () => {
  /** What a bundle of an entry still has to import. */
  const importsOf = async (entry: string) => {
    const { metafile } = await build({
      entryPoints: [join(import.meta.dirname, entry)],
      bundle: true,
      write: false,
      metafile: true,
      platform: 'neutral',
      conditions: ['@eflow/source'],
      external: ['node:*', '@tensorflow/*', 'fastest-levenshtein'],
    });
    return Object.values(metafile.outputs)[0]!.imports.map(({ path }) => path);
  };

  it("imports nothing of Node's", async () => {
    const imported = await importsOf('bytes.ts');
    expect(imported).toContain('@tensorflow/tfjs-core');
    expect(imported.filter((path) => path.startsWith('node:'))).toEqual([]);
    expect(await importsOf('index.ts')).toContain('node:fs/promises');
  });
});
