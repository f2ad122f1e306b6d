/** Pixels of clips: uint8, row-major [N, F, H, W, C]. */
export interface Clips {
  data: Uint8Array;
  shape: readonly [N: number, F: number, H: number, W: number, C: number];
}

/** Bytes of one clip. Throws, in the name of `where`, unless the pixels are as many as the shape says, of at least one clip. */
export function clipBytes(where: string, { data, shape }: Clips): number {
  const [count, ...rest] = shape;
  const bytes = rest.reduce((a, b) => a * b, 1);
  if (![...shape].every((size) => Number.isSafeInteger(size) && size >= 1)) {
    throw new Error(`${where}: clips are [${shape.join(', ')}]; expected [N, F, H, W, C], all of at least 1`);
  }
  if (data.length !== count * bytes) {
    throw new Error(`${where}: ${data.length} pixels; clips of [${shape.join(', ')}] have ${count * bytes}`);
  }
  return bytes;
}

/** Clips `size` at a time, in order; the last batch may be smaller. Pixels are shared, not copied. */
export function* inBatches({ data, shape: [count, ...rest] }: Clips, size: number): Generator<Clips> {
  const bytes = rest.reduce((a, b) => a * b, 1);
  for (let first = 0; first < count; first += size) {
    const pixels = data.subarray(first * bytes, (first + size) * bytes);
    yield { data: pixels, shape: [pixels.length / bytes, ...rest] };
  }
}
