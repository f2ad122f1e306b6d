import type * as tf from '@tensorflow/tfjs-core';

/** An expected axis: a fixed length, or a letter of the legend that takes any length, the same wherever it recurs. */
export type Axis = number | string;

/**
 * Checks a tensor's shape against a pattern such as `['B', 'L', 64]` and returns the lengths of the letters.
 * `known` binds letters in advance. Throws `where: expected name [...], got [...]`.
 */
export function assertShape<const Pattern extends readonly Axis[]>(
  where: string,
  name: string,
  tensor: tf.Tensor,
  pattern: Pattern,
  known: Readonly<Record<string, number>> = {},
): Record<Extract<Pattern[number], string>, number> {
  const sizes: Record<string, number> = { ...known };
  const matches =
    tensor.shape.length === pattern.length &&
    pattern.every((axis, i) => {
      const size = tensor.shape[i]!;
      if (typeof axis === 'number') return axis === size;
      sizes[axis] ??= size;
      return sizes[axis] === size;
    });
  if (matches) return sizes;
  const expected = pattern.map((axis) => (typeof axis === 'string' && axis in known ? `${axis}=${known[axis]}` : axis));
  throw new Error(`${where}: expected ${name} [${expected.join(', ')}], got [${tensor.shape.join(', ')}]`);
}
