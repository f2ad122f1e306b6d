/** [N, F, H, W, C]: clips, frames, height, width, channels (1 is grey, 3 is RGB). */
export type ClipsShape = readonly [number, number, number, number, number];

/** Clips as files hold them: bytes 0..255, channels last. */
export interface Clips {
  data: Uint8Array;
  shape: ClipsShape;
}

/** Throws an Error that names what is wrong unless `data` fills `shape`, no axis is empty and C is 1 or 3. */
export function checkClips({ data, shape }: Clips): void {
  checkShape(shape, data.length);
}

/**
 * Clips from values in [-1, 1], as networks make them: round((value + 1) * 127.5), where values outside are clamped.
 * `values` has the shape [N, F, H, W, C]. Throws where the shape does not fit and on NaN, naming the place.
 */
export function toClips(values: Float32Array, shape: ClipsShape): Clips {
  checkShape(shape, values.length);
  const data = new Uint8Array(values.length);
  for (let i = 0; i < values.length; i++) {
    const value = values[i]!;
    if (Number.isNaN(value)) {
      throw new Error(`toClips: value ${i} of ${values.length} is NaN; whatever made the clips has diverged`);
    }
    data[i] = value <= -1 ? 0 : value >= 1 ? 255 : 127.5 * (value + 1) + 0.5; // the array drops the fraction
  }
  return { data, shape };
}

function checkShape(shape: ClipsShape, length: number): void {
  const channels = shape[4];
  if (shape.length !== 5 || !shape.every((size) => Number.isInteger(size) && size > 0)) {
    throw new Error(`clips: expected a shape [N, F, H, W, C] of positive integers, got [${shape.join(', ')}]`);
  }
  if (channels !== 1 && channels !== 3) throw new Error(`clips: expected 1 channel (grey) or 3 (RGB), got ${channels}`);
  const expected = shape.reduce((product, size) => product * size, 1);
  if (length !== expected) {
    throw new Error(`clips: expected ${expected} values for the shape [${shape.join(', ')}], got ${length}`);
  }
}
