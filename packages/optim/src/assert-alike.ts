import { assertShape, mapTrees, type Tree } from '@eflow/tensor';

/** Throws, naming the leaf, unless trees have leaves of the same names and shapes: tfjs would broadcast a wrong shape in silence. */
export function assertAlike(where: string, trees: Readonly<Record<string, Tree>>): void {
  const labels = Object.keys(trees);
  mapTrees(where, trees, (leaves, name) => {
    const first = leaves[0]!;
    for (const [i, leaf] of leaves.entries()) assertShape(where, `${labels[i]} '${name}'`, leaf, first.shape);
    return first;
  });
}
