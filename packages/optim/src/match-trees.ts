import { type Tree, treeEntries, treeLeaves } from '@eflow/tensor';
import type * as tf from '@tensorflow/tfjs-core';

/**
 * The leaves of trees that must have the names and shapes of the first: one array per tree. Throws
 * `where: ...` with the first difference, since tfjs would broadcast a wrong shape in silence.
 */
export function matchTrees(where: string, trees: Readonly<Record<string, Tree>>): tf.Tensor[][] {
  const described = Object.entries(trees).map(([label, tree]) => ({ label, leaves: treeEntries(tree).map(describe) }));
  const [first, ...others] = described;
  for (const { label, leaves } of others) {
    const length = Math.max(leaves.length, first!.leaves.length);
    for (let i = 0; i < length; i++) {
      if (leaves[i] === first!.leaves[i]) continue;
      throw new Error(
        `${where}: ${label} holds ${leaves[i] ?? 'no more leaves'} where ${first!.label} holds ` +
          `${first!.leaves[i] ?? 'no more leaves'}; all trees must have the same names and shapes`,
      );
    }
  }
  return Object.values(trees).map(treeLeaves);
}

const describe = ([name, leaf]: [string, tf.Tensor]): string => `'${name}' [${leaf.shape.join(', ')}]`;
