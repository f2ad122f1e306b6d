import * as tf from '@tensorflow/tfjs-core';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  cloneTree,
  countParameters,
  disposeTree,
  fillTree,
  mapTree,
  mapTrees,
  ravel,
  type Tree,
  treeEntries,
  treeLeaves,
} from './tree.ts';

const example = () => ({
  blocks: [
    {
      weight: tf.tensor2d([
        [1, 2],
        [3, 4],
        [5, 6],
      ]),
    },
    { weight: tf.scalar(7) },
  ],
  bias: tf.tensor1d([8, 9]),
});

describe('trees', () => {
  it('name their leaves by dotted paths, in order', () => {
    const tree = example();
    expect(treeEntries(tree).map(([name]) => name)).toEqual(['blocks.0.weight', 'blocks.1.weight', 'bias']);
    expect(treeEntries(tree.bias)).toEqual([['', tree.bias]]);
    expect(countParameters(tree)).toBe(9);
    disposeTree(tree);
    expect(treeLeaves(tree).every((leaf) => leaf.isDisposed)).toBe(true);
  });

  it('clone to trees that outlive them, values, structure and absent keys alike', () => {
    const before = tf.memory().numTensors;
    const tree = { ...example(), absent: undefined };
    const clone = cloneTree(tree);
    const values = treeEntries(tree).map(([name, leaf]) => [name, leaf.arraySync()]);
    disposeTree(tree);
    expect(treeEntries(clone).map(([name, leaf]) => [name, leaf.arraySync()])).toEqual(values);
    expect(Array.isArray(clone.blocks)).toBe(true);
    disposeTree(clone);
    expect(tf.memory().numTensors).toBe(before);
  });

  it('map to the same structure', () => {
    const tree = example();
    const names: string[] = [];
    const doubled = mapTree(tree, (leaf, name) => {
      names.push(name);
      return tf.mul(leaf, 2);
    });
    expect(Array.isArray(doubled.blocks)).toBe(true);
    expect(names).toEqual(treeEntries(tree).map(([name]) => name));
    expect([...doubled.blocks[0]!.weight.dataSync()]).toEqual([2, 4, 6, 8, 10, 12]);
    tf.dispose([tree, doubled]);
  });

  it('pass over what is not there', () => {
    const tree = { a: tf.scalar(1), b: undefined } as { a: tf.Tensor; b?: tf.Tensor };
    expect(treeEntries(tree as Tree).map(([name]) => name)).toEqual(['a']);
    expect(mapTree(tree as Tree, (leaf) => leaf)).toEqual(tree);
    disposeTree(tree as Tree);
  });

  it('map together by the names of their leaves, whatever their order', () => {
    const ones = { a: tf.scalar(1), b: [tf.scalar(2), tf.scalar(3)] };
    const tens = { b: [tf.scalar(20), tf.scalar(30)], a: tf.scalar(10) };
    const names: string[] = [];
    const sums = mapTrees('test', { ones, tens }, ([one, ten], name) => {
      names.push(name);
      return tf.add(one!, ten!);
    });
    expect(treeEntries(sums).map(([name, leaf]) => [name, leaf.dataSync()[0]])).toEqual([
      ['a', 11],
      ['b.0', 22],
      ['b.1', 33],
    ]);
    expect(names).toEqual(['a', 'b.0', 'b.1']);
    expect(mapTrees('test', { one: ones.a, other: tens.a }, ([one]) => one!)).toBe(ones.a);
    disposeTree([ones, tens, sums]);
  });

  it.each<[string, (x: tf.Tensor) => Tree, string]>([
    ['a leaf less', (x) => ({ a: x }), "test: given has a leaf 'b', and other has none; expected the same leaves"],
    ['a leaf more', (x) => ({ a: x, b: x, c: [x] }), "test: other has a leaf 'c.0', and given has none"],
    ['a lone tensor', (x) => x, "test: given has a leaf 'a', and other has none"],
    ['what is none', () => [], "test: given has a leaf 'a', and other has none"],
  ])('do not map together with %s', (_case, build, message) => {
    const x = tf.scalar(1);
    expect(() => mapTrees<Tree>('test', { given: { a: x, b: x }, other: build(x) }, ([one]) => one!)).toThrow(message);
    x.dispose();
  });

  it('refuse a wrong number of leaves', () => {
    const tree = example();
    expect(() => fillTree(tree, [])).toThrow('expected 3 leaves, got 0');
    disposeTree(tree);
  });

  it('unravel(ravel(tree)) is the tree, for any tree', () => {
    const leaf = fc.array(fc.integer({ min: 1, max: 4 }), { maxLength: 3 }).map((shape) => ({ shape }));
    const { tree: shapes } = fc.letrec<{ tree: unknown }>((tie) => ({
      tree: fc.oneof(
        { maxDepth: 3 },
        leaf,
        fc.array(tie('tree'), { minLength: 1, maxLength: 3 }),
        fc.record({ a: tie('tree'), b: leaf }),
      ),
    }));
    fc.assert(
      fc.property(shapes, (described) => {
        let next = 0;
        const build = (node: unknown): Tree => {
          if (Array.isArray(node)) return node.map(build);
          if ('shape' in (node as object)) {
            const { shape } = node as { shape: number[] };
            return tf.add(tf.reshape(tf.range(0, tf.util.sizeFromShape(shape)), shape), 1000 * next++);
          }
          return Object.fromEntries(Object.entries(node as object).map(([key, child]) => [key, build(child)]));
        };
        const tree = tf.tidy(() => build(described) as tf.TensorContainer) as Tree;
        const before = tf.memory().numTensors;
        const { vector, unravel } = ravel(tree);
        const again = unravel(vector);
        const describeTree = (t: Tree) => treeEntries(t).map(([name, x]) => [name, x.shape, [...x.dataSync()]]);
        expect(describeTree(again)).toEqual(describeTree(tree));
        expect(vector.size).toBe(countParameters(tree));
        disposeTree(again);
        vector.dispose();
        expect(tf.memory().numTensors).toBe(before);
        disposeTree(tree);
      }),
      { numRuns: 30 },
    );
  });
});
