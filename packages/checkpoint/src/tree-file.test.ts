import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { disposeTree, type Tree, treeEntries, treeLeaves } from '@eflow/tensor';
import * as tf from '@tensorflow/tfjs-core';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { writeSafetensors } from './safetensors.ts';
import type { SafetensorsEntry } from './tensor-data.ts';
import { loadTree, readTree, saveTree } from './tree-file.ts';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'trees-'));
});
afterAll(() => rm(folder, { recursive: true }));

const float = (shape: number[], ...values: number[]): SafetensorsEntry => ({
  dtype: 'F32',
  shape,
  data: Float32Array.from(values),
});

/** The tree with each leaf replaced by dtype, shape and values (as Object.is compares them). */
const describeTree = (tree: Tree) =>
  treeEntries(tree).map(([name, leaf]) => ({
    name,
    dtype: leaf.dtype,
    shape: leaf.shape,
    values: [...leaf.dataSync()],
  }));

const anyLeaf = fc
  .record({
    shape: fc.array(fc.nat({ max: 3 }), { maxLength: 3 }),
    values: fc.array(fc.float({ noNaN: true, noDefaultInfinity: true }), { minLength: 1, maxLength: 8 }),
    isInteger: fc.boolean(),
  })
  .map(({ shape, values, isInteger }) => {
    const size = tf.util.sizeFromShape(shape);
    const data = Array.from({ length: size }, (_, i) => values[i % values.length]!);
    return tf.tensor(data.map(isInteger ? (x) => x | 0 : (x) => x), shape, isInteger ? 'int32' : 'float32');
  });

const anyKey = fc.oneof(fc.constantFrom('__proto__', 'constructor', 'weight', '1'), fc.stringMatching(/^[a-z]{1,6}$/));
const { anyTree } = fc.letrec<{ anyTree: Tree }>((tie) => ({
  anyTree: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    anyLeaf,
    fc.array(tie('anyTree'), { minLength: 1, maxLength: 12 }),
    fc
      .uniqueArray(fc.tuple(anyKey, tie('anyTree')), { minLength: 1, maxLength: 4, selector: ([key]) => key })
      .map((entries): Tree => Object.fromEntries(entries)),
  ),
}));

describe('saveTree and loadTree', () => {
  it('round-trip any tree to the bit, with and without a template, and leak nothing', async () => {
    const file = join(folder, 'tree.safetensors');
    await fc.assert(
      fc.asyncProperty(anyTree, async (tree) => {
        const before = tf.memory().numTensors;
        await saveTree(file, tree);
        const loaded = await loadTree(file, tree);
        const read = await readTree(file);
        expect(describeTree(loaded)).toEqual(describeTree(tree));
        expect(describeTree(read)).toEqual(describeTree(tree));
        expect(treeLeaves(loaded)).not.toContain(treeLeaves(tree)[0]);
        disposeTree(loaded);
        disposeTree(read);
        expect(tf.memory().numTensors).toBe(before);
        expect(Object.getPrototypeOf({})).toBe(Object.prototype);
      }),
      { numRuns: 100 },
    );
  });

  it('gives the template structure, whatever the order in the file', async () => {
    const file = join(folder, 'order.safetensors');
    await writeSafetensors(file, [
      ['blocks.1.bias', float([1], 2)],
      ['blocks.0.bias', float([1], 1)],
    ]);
    const template = { blocks: [{ bias: tf.zeros([1]) }, { bias: tf.zeros([1]) }] };
    const tree = await loadTree(file, template);
    expect(tree.blocks.map((block) => block.bias.dataSync()[0])).toEqual([1, 2]);
  });

  it.each<[string, Record<string, Tree>, RegExp]>([
    ['missing', { w: tf.zeros([2, 3]), b: tf.zeros([3]) }, /: it lacks 'b'\. Was it saved with another preset\?/],
    ['unexpected', {}, /: the network has no 'w'\. Was it/],
    ['transposed', { w: tf.zeros([3, 2]) }, /: 'w' is \[2, 3\] here and \[3, 2\] in the network\. Was it/],
    ['of another rank', { w: tf.zeros([6]) }, /'w' is \[2, 3\] here and \[6\] in the network/],
    [
      'of another dtype',
      { w: tf.zeros([2, 3], 'int32') },
      /'w' is float32 \[2, 3\] here and int32 \[2, 3\] in the net/,
    ],
  ])('refuse a tensor that is %s', async (_, template, message) => {
    const file = join(folder, 'fit.safetensors');
    await writeSafetensors(file, [['w', float([2, 3], 1, 2, 3, 4, 5, 6)]]);
    const before = tf.memory().numTensors;
    await expect(loadTree(file, template)).rejects.toThrow(message);
    await expect(loadTree(file, template)).rejects.toThrow(file);
    expect(tf.memory().numTensors).toBe(before);
  });

  it("tell another network's checkpoint by the first three tensors of each difference, in the network's order", async () => {
    const file = join(folder, 'other.safetensors');
    const network = (width: number, depth: number, extra: string[]) => ({
      patchEmbed: { weight: tf.zeros([4, width]), bias: tf.zeros([2]) },
      encoderBlocks: Array.from({ length: depth }, () => ({ attn: { qkv: { weight: tf.zeros([width, 3 * width]) } } })),
      ...Object.fromEntries(extra.map((name) => [name, tf.zeros([1])])),
    });
    await saveTree(file, network(192, 3, ['a', 'b', 'c', 'd', 'e']));
    const message = (template: Tree) => loadTree(file, template).then(String, (error: Error) => error.message);
    expect(await message(network(384, 7, []))).toBe(
      `${file} does not fit the network: 'patchEmbed.weight' is [4, 192] here and [4, 384] in the network, ` +
        "'encoderBlocks.0.attn.qkv.weight' is [192, 576] here and [384, 1152] in the network, " +
        "'encoderBlocks.1.attn.qkv.weight' is [192, 576] here and [384, 1152] in the network and 1 more; " +
        "it lacks 'encoderBlocks.3.attn.qkv.weight', 'encoderBlocks.4.attn.qkv.weight', " +
        "'encoderBlocks.5.attn.qkv.weight' and 1 more; the network has no 'a', 'b', 'c' and 2 more. " +
        'Was it saved with another preset? Build the network from the configuration that the checkpoint was saved ' +
        'with, or choose another checkpoint',
    );
    expect(await message(network(192, 1, ['a', 'b', 'c', 'd', 'e']))).toMatch(
      /network: the network has no 'encoderBlocks.1.attn.qkv.weight', 'encoderBlocks.2.attn.qkv.weight'\. Was/,
    );
  });

  it.each([Number.NaN, Infinity, -Infinity])('refuse %s, name the tensor, and keep the old file', async (bad) => {
    const file = join(folder, 'finite.safetensors');
    await saveTree(file, { w: tf.tensor1d([1, 2]) });
    const tree = { ok: tf.tensor1d([1]), blocks: [{ w: tf.tensor2d([[0, bad]]) }] };
    await expect(saveTree(file, tree)).rejects.toThrow(`'blocks.0.w' holds ${bad} at element 1`);
    expect(describeTree(await readTree(file))[0]!.values).toEqual([1, 2]);
    expect((await readdir(folder)).filter((name) => name.includes('.tmp-'))).toEqual([]);
  });

  it('refuses dtypes that have no place in the file', async () => {
    const tree = { mask: tf.tensor1d([true], 'bool') };
    await expect(saveTree(join(folder, 'x'), tree)).rejects.toThrow("'mask' is bool; convert it");
  });
});

describe('readTree', () => {
  it('makes arrays of keys 0 to n-1 in any order, objects otherwise', async () => {
    const file = join(folder, 'keys.safetensors');
    const names = ['list.1', 'list.0.a', 'holes.0', 'holes.2', 'padded.00', '__proto__.x', 'dots..y'];
    await writeSafetensors(
      file,
      names.map((name, i) => [name, float([], i)]),
    );
    const tree = (await readTree(file)) as Record<string, Tree>;
    expect(Object.keys(tree)).toEqual(['list', 'holes', 'padded', '__proto__', 'dots']);
    expect(Array.isArray(tree.list)).toBe(true);
    expect(treeEntries(tree).map(([name]) => name)).toEqual([
      'list.0.a',
      'list.1',
      'holes.0',
      'holes.2',
      'padded.00',
      '__proto__.x',
      'dots..y',
    ]);
    expect(Object.getPrototypeOf({})).toBe(Object.prototype);
  });

  it('widens 16-bit floats, narrows F64, and takes I64 that fit int32', async () => {
    const tree = (await readTree(join(import.meta.dirname, 'fixtures/reference.safetensors')).catch(
      (error: Error) => error,
    )) as Error;
    expect(tree.message).toMatch(/'f16' is a tensor and 'f16.widened' lies inside it|'bf16' is a tensor/);
    const file = join(folder, 'wide.safetensors');
    await writeSafetensors(file, [
      ['f', { dtype: 'F64', shape: [1], data: Float64Array.of(0.1) }],
      ['i', { dtype: 'I64', shape: [1], data: BigInt64Array.of(-5n) }],
    ]);
    expect(describeTree(await readTree(file))).toEqual([
      { name: 'f', dtype: 'float32', shape: [1], values: [Math.fround(0.1)] },
      { name: 'i', dtype: 'int32', shape: [1], values: [-5] },
    ]);
    await writeSafetensors(file, [
      ['ok', float([1], 1)],
      ['i', { dtype: 'I64', shape: [1], data: BigInt64Array.of(2n ** 31n) }],
    ]);
    const before = tf.memory().numTensors;
    await expect(readTree(file)).rejects.toThrow("'i' holds 2147483648, too large for int32");
    expect(tf.memory().numTensors).toBe(before);
  });

  it('refuses a tensor whose dtype is not read, and so does loadTree', async () => {
    const file = join(folder, 'mask.safetensors');
    const text = '{"mask":{"dtype":"BOOL","shape":[4],"data_offsets":[0,4]}}';
    const bytes = Buffer.alloc(8 + text.length + 4);
    bytes.writeBigUInt64LE(BigInt(text.length));
    bytes.write(text, 8);
    await writeFile(file, bytes);
    await expect(readTree(file)).rejects.toThrow(`${file}: 'mask' is of dtype BOOL, which is not read`);
    await expect(loadTree(file, { mask: tf.zeros([4]) })).rejects.toThrow(`${file}: 'mask' is of dtype BOOL`);
    await expect(loadTree(file, { weight: tf.zeros([4]) })).rejects.toThrow(
      "lacks 'weight'; the network has no 'mask'",
    );
  });

  it('refuses a file that is no safetensors file', async () => {
    const file = join(folder, 'weights.safetensors');
    await writeFile(file, '<html>not found</html>');
    await expect(readTree(file)).rejects.toThrow(`${file} is not a valid safetensors file`);
  });
});
