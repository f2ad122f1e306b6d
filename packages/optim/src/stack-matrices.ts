import { mapTree, type Tree, treeEntries } from '@eflow/tensor';
import * as tf from '@tensorflow/tfjs-core';

/**
 * Which leaves hold matrices, by their dotted names: how many lie one below the other, and how many side by side. [1, 3] are q, k
 * and v in one weight [E, 3 E]. Undefined: the leaf is no matrix.
 */
export type Matrices = (name: string) => readonly [down: number, across: number] | undefined;

/** Matrices of one shape as one tensor [count, m, n], by 'mxn'. */
export type Stacks = { [shape: string]: tf.Tensor };

/** The numbers of a tree: its matrices in stacks, and all others in one vector; an empty list if there are none. */
export type Stacked = { stacks: Stacks; others: tf.Tensor[] };

/** How a leaf is cut: into down * across matrices of `rows` times `columns`. */
interface Cut {
  down: number;
  across: number;
  rows: number;
  columns: number;
  shape: string;
}

function cutOf(matrices: Matrices, name: string, { shape }: tf.Tensor): Cut | undefined {
  const parts = matrices(name);
  if (parts === undefined) return undefined;
  const [down, across] = parts;
  const [rows, columns] = [shape[0]! / down, shape[1]! / across];
  if (shape.length !== 2 || !Number.isInteger(rows) || !Number.isInteger(columns)) {
    throw new Error(
      `muon: '${name}' is [${shape.join(', ')}], and matrices('${name}') is [${down}, ${across}]; expected a leaf of two axes that these divide, or undefined for one without matrices`,
    );
  }
  return { down, across, rows, columns, shape: `${rows}x${columns}` };
}

/** Takes a tree apart. Gives its results to the caller's tidy. Throws where `matrices` does not suit a leaf. */
export function stackMatrices(tree: Tree, matrices: Matrices): Stacked {
  const parts: Record<string, tf.Tensor[]> = {};
  const others: tf.Tensor1D[] = [];
  for (const [name, leaf] of treeEntries(tree)) {
    const cut = cutOf(matrices, name, leaf);
    if (!cut) {
      others.push(tf.reshape(leaf, [leaf.size]));
      continue;
    }
    const { down, across, rows, columns, shape } = cut;
    const blocks = swapMiddle(tf.reshape(leaf, [down, rows, across, columns]));
    parts[shape] ??= [];
    parts[shape].push(tf.reshape(blocks, [down * across, rows, columns]));
  }
  const stacks = Object.fromEntries(Object.entries(parts).map(([shape, stack]) => [shape, tf.concat(stack)]));
  return { stacks, others: others.length > 0 ? [tf.concat1d(others)] : [] };
}

/** A tree like `like` of the numbers that were taken apart. Gives its results to the caller's tidy. */
export function unstackMatrices<T extends Tree>(like: T, matrices: Matrices, { stacks, others }: Stacked): T {
  const leaves = treeEntries(like).map(([name, leaf]) => ({ name, leaf, cut: cutOf(matrices, name, leaf) }));
  const parts: Record<string, tf.Tensor[]> = Object.fromEntries(
    Object.entries(stacks).map(([shape, stack]) => {
      const counts = leaves.flatMap(({ cut }) => (cut?.shape === shape ? [cut.down * cut.across] : []));
      return [shape, tf.split(stack, counts)];
    }),
  );
  const sizes = leaves.flatMap(({ leaf, cut }) => (cut ? [] : [leaf.size]));
  const rest = others.flatMap((vector) => tf.split(vector, sizes));
  const next = new Map(
    leaves.map(({ name, leaf, cut }) => {
      if (!cut) return [name, tf.reshape(rest.shift()!, leaf.shape)];
      const { down, across, rows, columns, shape } = cut;
      const blocks = tf.reshape(parts[shape]!.shift()!, [down, across, rows, columns]);
      return [name, tf.reshape(swapMiddle(blocks), leaf.shape)];
    }),
  );
  return mapTree(like, (_, name) => next.get(name)!);
}

/** [a, b, c, d] -> [a, c, b, d]; without a copy where one of the two is 1. */
function swapMiddle(x: tf.Tensor): tf.Tensor {
  const [a, b, c, d] = x.shape as [number, number, number, number];
  return b === 1 || c === 1 ? tf.reshape(x, [a, c, b, d]) : tf.transpose(x, [0, 2, 1, 3]);
}
