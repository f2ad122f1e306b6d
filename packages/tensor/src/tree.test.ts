import * as tf from '@tensorflow/tfjs-core';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { countParameters, disposeTree, fillTree, mapTree, ravel, type Tree, treeEntries, treeLeaves } from './tree.ts';

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
