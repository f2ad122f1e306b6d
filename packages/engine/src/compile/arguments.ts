import * as tf from '@tensorflow/tfjs-core';

/** A leaf of a function's arguments: where it is, and what of it the graph depends on. */
export interface Argument {
  readonly path: string;
  /** Type and shape of a tensor; the value of anything else. */
  readonly key: string;
}

export interface FlatArguments {
  readonly tensors: tf.Tensor[];
  readonly args: readonly Argument[];
  /** Equal for arguments that the same graph serves. */
  readonly signature: string;
}

/** Tensors and static values among the arguments. Throws a TypeError for what is neither nor an array or plain object. */
export function flattenArguments(args: readonly unknown[]): FlatArguments {
  const tensors: tf.Tensor[] = [];
  const leaves: Argument[] = [];
  const visit = (value: unknown, path: string): void => {
    if (value instanceof tf.Tensor) {
      if (value.isDisposed) throw new TypeError(`compile: ${path} is a disposed tensor; pass a live one`);
      tensors.push(value);
      leaves.push({ path, key: `${value.dtype}[${value.shape.join(',')}]` });
      return;
    }
    const children = childrenOf(value, path);
    if (!children) leaves.push({ path, key: staticKey(value, path) });
    else if (children.length === 0) leaves.push({ path, key: Array.isArray(value) ? '[]' : '{}' });
    else for (const [key, child] of children) visit(child, `${path}${key}`);
  };
  for (const [i, arg] of args.entries()) visit(arg, `argument ${i}`);
  return { tensors, args: leaves, signature: leaves.map(({ path, key }) => `${path}:${key}`).join(';') };
}

/** The same arrays and objects with these tensors, in order, in the places of what `isPlace` tells. */
export function fillPlaces(
  value: unknown,
  isPlace: (leaf: unknown) => boolean,
  tensors: readonly tf.Tensor[],
): unknown {
  let next = 0;
  const visit = (node: unknown): unknown => {
    if (isPlace(node)) return tensors[next++]!;
    if (Array.isArray(node)) return node.map(visit);
    if (node === null || typeof node !== 'object') return node;
    return Object.fromEntries(Object.entries(node).map(([key, child]) => [key, visit(child)]));
  };
  return visit(value);
}

export function isPlainObject(value: unknown): value is Record<string, unknown> {
  if (value === null || typeof value !== 'object') return false;
  const prototype = Object.getPrototypeOf(value);
  return prototype === null || prototype === Object.prototype;
}

const IDENTIFIER = /^[\w$]+$/;

function childrenOf(value: unknown, path: string): [string, unknown][] | undefined {
  if (Array.isArray(value)) return value.map((child, i) => [`[${i}]`, child]);
  if (value === null || typeof value !== 'object') return undefined;
  if (!isPlainObject(value)) {
    throw new TypeError(
      `compile: ${path} is a ${value.constructor?.name}; expected tensors, numbers, strings or booleans, in arrays and plain objects`,
    );
  }
  return Object.entries(value).map(([key, child]) => [
    IDENTIFIER.test(key) ? `.${key}` : `[${JSON.stringify(key)}]`,
    child,
  ]);
}

function staticKey(value: unknown, path: string): string {
  if (typeof value === 'function' || typeof value === 'symbol') {
    throw new TypeError(`compile: ${path} is a ${typeof value}; use it from outside instead of passing it`);
  }
  if (typeof value === 'string') return JSON.stringify(value);
  if (typeof value === 'bigint') return `${value}n`;
  return Object.is(value, -0) ? '-0' : String(value);
}
