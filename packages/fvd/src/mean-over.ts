/** Means over what lies between the first axis, of `count`, and the last: [count, size]. */
export function meanOver(values: Float32Array, count: number, size: number): Float32Array {
  const between = values.length / (count * size);
  const means = new Float32Array(count * size);
  for (let i = 0; i < values.length; i++) {
    means[Math.floor(i / (between * size)) * size + (i % size)]! += values[i]! / between;
  }
  return means;
}
