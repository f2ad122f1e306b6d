/** Pixels as a network takes them: uint8 0..255 to float32 [-1, 1] by x / 127.5 - 1, any shape. Returns a new array. */
export function normalizePixels(pixels: Uint8Array): Float32Array {
  return Float32Array.from(pixels, (value) => value / 127.5 - 1);
}
