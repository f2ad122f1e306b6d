import { mapTree, mapTrees, type Tree } from '@eflow/tensor';
import * as tf from '@tensorflow/tfjs-core';
import { perExample } from './path.ts';

// Work on the rows of a batch: of a tensor [B, ...], or of every leaf of a tree of them, such as a condition. The caller owns
// the results.

/** Rows `start` to `start + count` of every leaf, [count, ...]. */
export const sliceRows = <T extends Tree>(tree: T, start: number, count: number): T =>
  mapTree(tree, (leaf) => tf.slice(leaf, [start], [count]));

/** The rows of several trees one after the other. Throws, naming `where` and the leaf, unless all have the same leaves. */
export const concatRows = <T extends Tree>(where: string, trees: readonly T[]): T =>
  mapTrees(where, Object.fromEntries(trees.map((tree, i) => [`part ${i}`, tree])), (leaves) => tf.concat(leaves));

/**
 * `yes` in the rows that are true, [B] bool, and `no` in the others; a leaf keeps its dtype. Throws, naming `where`, the leaf
 * and the trees by their keys, unless both have the same leaves, [B, ...] each, of the same shape and dtype.
 */
export function selectRows<T extends Tree>(where: string, rows: tf.Tensor, trees: Readonly<Record<string, T>>): T {
  return mapTrees(where, trees, ([yes, no], name) => {
    const [first, second] = [yes!, no!].map(({ shape, dtype }) => `[${shape.join(', ')}] ${dtype}`);
    if (first === second && yes!.shape[0] === rows.size) return tf.where(perExample(rows, yes!.rank), yes!, no!);
    const leaf = name === '' ? '' : `'s leaf '${name}'`;
    const found = Object.keys(trees).map((label, i) => `${label}${leaf} is ${[first, second][i]}`);
    throw new Error(`${where}: ${found.join(' and ')}; expected [${rows.size}, ...] of one shape and dtype`);
  });
}
