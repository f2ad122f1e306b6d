import * as tf from '@tensorflow/tfjs-core';
import { disposeTree, type Tree } from './tree.ts';

/** Numbers in nested objects, such as all that changes from one training step to the next. */
export type NumberTree = number | { readonly [name: string]: NumberTree };

/** The same structure with scalars in place of numbers. */
export type ScalarTree<Numbers extends NumberTree> = Numbers extends number
  ? tf.Scalar
  : { [Name in keyof Numbers]: Numbers[Name] extends NumberTree ? ScalarTree<Numbers[Name]> : never };

/**
 * Uploads all numbers of a step at once: float32 scalars under the same names, which the caller owns. A compiled function takes
 * these where a number would become part of its graph.
 */
export function uploadScalars<Numbers extends NumberTree>(numbers: Numbers): ScalarTree<Numbers> {
  const visit = (node: NumberTree): Tree =>
    typeof node === 'number'
      ? tf.scalar(node)
      : Object.fromEntries(Object.entries(node).map(([name, value]) => [name, visit(value)]));
  return visit(numbers) as ScalarTree<Numbers>;
}

/** Reads the numbers in scalars and disposes of the scalars. Waits for the device. */
export function readScalars<Name extends string>(scalars: Readonly<Record<Name, tf.Scalar>>): Record<Name, number> {
  const numbers = Object.entries<tf.Scalar>(scalars).map(([name, scalar]) => [name, scalar.dataSync()[0]!] as const);
  disposeTree(scalars);
  return Object.fromEntries(numbers) as Record<Name, number>;
}
