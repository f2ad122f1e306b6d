/**
 * Weights [outSize, inSize] that resample a line of `inSize` pixels to `outSize`: a triangle filter, widened to cover
 * every source pixel when it shrinks (anti-aliased bilinear, as Pillow's and JAX's resize). Each row sums to 1;
 * equal sizes give the identity.
 */
export function antialiasWeights(inSize: number, outSize: number): Float32Array[] {
  const step = inSize / outSize;
  const reach = Math.max(1, step);
  return Array.from({ length: outSize }, (_, out) => {
    const centre = (out + 0.5) * step;
    const row = Float32Array.from({ length: inSize }, (_, i) => Math.max(0, 1 - Math.abs(i + 0.5 - centre) / reach));
    const sum = row.reduce((total, weight) => total + weight, 0);
    return row.map((weight) => weight / sum);
  });
}

/** Resamples a square image [inSize, inSize] to float32 [outSize, outSize], by the weights of `antialiasWeights`. */
export function resizeSquare(image: Uint8Array, weights: readonly Float32Array[]): Float32Array {
  const outSize = weights.length;
  const inSize = weights[0]!.length;
  const columns = new Float32Array(inSize * outSize); // [inSize, outSize]: each row of the image, resampled
  for (let y = 0; y < inSize; y++) {
    for (let x = 0; x < outSize; x++) {
      let sum = 0;
      for (let i = 0; i < inSize; i++) sum += weights[x]![i]! * image[y * inSize + i]!;
      columns[y * outSize + x] = sum;
    }
  }
  const resized = new Float32Array(outSize * outSize);
  for (let y = 0; y < outSize; y++) {
    for (let i = 0; i < inSize; i++) {
      const weight = weights[y]![i]!;
      if (weight === 0) continue;
      for (let x = 0; x < outSize; x++) resized[y * outSize + x]! += weight * columns[i * outSize + x]!;
    }
  }
  return resized;
}
