import * as tf from '@tensorflow/tfjs-core';

/**
 * Parameters, gradients, optimizer states, conditions: tensors in nested objects and arrays. Key order is the leaves' order; a key
 * whose value is undefined is as good as absent.
 */
export type Tree = tf.Tensor | readonly Tree[] | { readonly [key: string]: Tree | undefined };

/** Leaves with dotted names, such as `blocks.0.attn.qkv.weight`; a lone tensor has the name ''. */
export function treeEntries(tree: Tree, prefix = ''): [name: string, leaf: tf.Tensor][] {
  if (tree instanceof tf.Tensor) return [[prefix, tree]];
  if (tree === undefined) return [];
  return Object.entries(tree).flatMap(([key, child]) =>
    treeEntries(child as Tree, prefix === '' ? key : `${prefix}.${key}`),
  );
}

/** The leaves alone, in order. */
export const treeLeaves = (tree: Tree): tf.Tensor[] => treeEntries(tree).map(([, leaf]) => leaf);

/** A tree of the same structure whose leaves are `fn(leaf, name)`. */
export function mapTree<T extends Tree>(tree: T, fn: (leaf: tf.Tensor, name: string) => tf.Tensor): T {
  const visit = (node: Tree, name: string): Tree => {
    if (node instanceof tf.Tensor) return fn(node, name);
    if (node === undefined) return node;
    const child = (key: string, value: Tree) => visit(value, name === '' ? key : `${name}.${key}`);
    if (Array.isArray(node)) return node.map((value, i) => child(String(i), value as Tree));
    return Object.fromEntries(Object.entries(node).map(([key, value]) => [key, child(key, value as Tree)]));
  };
  return visit(tree, '') as T;
}

/**
 * A tree of the structure of the first whose leaves are `fn(leaves, name)`: the leaves of that name, one of each tree. Throws
 * `where: ...` with the first leaf that is in one tree and not in another; `trees` names them.
 */
export function mapTrees<T extends Tree>(
  where: string,
  trees: Readonly<Record<string, T>>,
  fn: (leaves: tf.Tensor[], name: string) => tf.Tensor,
): T {
  const all = Object.entries(trees).map(([label, tree]) => ({ label, leaves: new Map(treeEntries(tree)) }));
  for (const { label: present, leaves } of all) {
    for (const name of leaves.keys()) {
      const absent = all.find((other) => !other.leaves.has(name));
      if (!absent) continue;
      const difference =
        name === ''
          ? `${present} is a lone tensor, and ${absent.label} is not`
          : `${present} has a leaf '${name}', and ${absent.label} has none`;
      throw new Error(`${where}: ${difference}; expected the same leaves`);
    }
  }
  return mapTree(Object.values(trees)[0]!, (_, name) =>
    fn(
      all.map(({ leaves }) => leaves.get(name)!),
      name,
    ),
  );
}

/** A tree like `tree` whose leaves are taken in order from `leaves`. Throws if their numbers differ. */
export function fillTree<T extends Tree>(tree: T, leaves: readonly tf.Tensor[]): T {
  const expected = treeLeaves(tree).length;
  if (leaves.length !== expected) throw new Error(`fillTree: expected ${expected} leaves, got ${leaves.length}`);
  let next = 0;
  return mapTree(tree, () => leaves[next++]!);
}

/** Number of scalars in all leaves. */
export const countParameters = (tree: Tree): number => treeLeaves(tree).reduce((sum, leaf) => sum + leaf.size, 0);

/** A tree of the same values that outlives the original; the caller owns it. No numbers are copied, as tensors never change. */
export const cloneTree = <T extends Tree>(tree: T): T => mapTree(tree, (leaf) => tf.clone(leaf));

/** `tf.tidy` of a function that gives trees, which the types of tfjs do not know as what a tidy returns. */
export const tidyTree = <Result extends Tree>(fn: () => Result): Result =>
  tf.tidy(fn as () => tf.TensorContainer) as Result;

/** Disposes every leaf. */
export const disposeTree = (tree: Tree): void => tf.dispose(treeLeaves(tree));

/**
 * One float32 vector that holds every leaf, in order, and the function that splits such a vector again. One op on the
 * vector replaces one op per leaf, which is how the optimizer stays cheap. The caller owns the vector and what
 * `unravel` returns.
 */
export function ravel<T extends Tree>(tree: T): { vector: tf.Tensor1D; unravel: (vector: tf.Tensor1D) => T } {
  const leaves = treeLeaves(tree);
  const sizes = leaves.map((leaf) => leaf.size);
  const shapes = leaves.map((leaf) => leaf.shape);
  const vector = tf.tidy(() => tf.concat1d(leaves.map((leaf) => tf.reshape<tf.Rank.R1>(leaf, [leaf.size]))));
  const unravel = (v: tf.Tensor1D) => {
    const parts = tf.tidy(() => tf.split(v, sizes).map((part, i) => tf.reshape(part, shapes[i]!)));
    return fillTree(tree, parts);
  };
  return { vector, unravel };
}
