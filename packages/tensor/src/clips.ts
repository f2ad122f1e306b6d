/** Clips, frames, height, width, channels: 1 is grey, 3 is RGB. */
export type ClipsShape = readonly [N: number, F: number, H: number, W: number, C: number];

/** Clips as data sets give them, files hold them and extractors take them: bytes 0..255, channels last. */
export interface Clips {
  /** uint8, row-major [N, F, H, W, C]. */
  pixels: Uint8Array;
  shape: ClipsShape;
  /** int32 [N]: the class of every clip. */
  labels?: Int32Array;
  /** [N] */
  captions?: string[];
}

/** Bytes of one clip. Throws, in the name of `where`, unless pixels, labels and captions are as many as the shape says, of at least one clip. */
export function clipBytes(where: string, { pixels, shape, labels, captions }: Clips): number {
  const [count, ...rest] = checkShape(where, shape, pixels.length);
  for (const [name, given] of Object.entries({ labels, captions })) {
    if (given && given.length !== count) throw new Error(`${where}: ${given.length} ${name} for ${count} clips`);
  }
  return sizeOf(rest);
}

/** Clips `first` to `end` - 1, or to the last. Pixels and labels are shared, not copied. */
export function sliceClips(clips: Clips, first: number, end: number): Clips {
  const [count, ...rest] = clips.shape;
  const last = Math.min(end, count);
  const bytes = sizeOf(rest);
  return {
    pixels: clips.pixels.subarray(first * bytes, last * bytes),
    shape: [last - first, ...rest],
    ...(clips.labels && { labels: clips.labels.subarray(first, last) }),
    ...(clips.captions && { captions: clips.captions.slice(first, last) }),
  };
}

/** Clips `size` at a time, in order; the last batch may be smaller. Pixels and labels are shared, not copied. */
export function* inBatches(clips: Clips, size: number): Generator<Clips> {
  for (let first = 0; first < clips.shape[0]; first += size) yield sliceClips(clips, first, first + size);
}

/** The clips of all parts, one after the other, with labels and captions where every part has them. Throws on none, and on two sizes. */
export function joinClips(parts: readonly Clips[]): Clips {
  if (parts.length === 0) throw new Error('joinClips: no clips; give at least one part');
  const [, ...rest] = parts[0]!.shape;
  const count = parts.reduce((sum, { shape }) => sum + shape[0], 0);
  const bytes = sizeOf(rest);
  const pixels = new Uint8Array(count * bytes);
  const labels = parts.every((part) => part.labels) ? new Int32Array(count) : undefined;
  const captions = parts.every((part) => part.captions) ? parts.flatMap((part) => part.captions!) : undefined;
  let first = 0;
  for (const part of parts) {
    const [partCount, ...size] = part.shape;
    if (size.join() !== rest.join())
      throw new Error(`joinClips: clips of [${size.join(', ')}] after [${rest.join(', ')}]`);
    pixels.set(part.pixels, first * bytes);
    labels?.set(part.labels!, first);
    first += partCount;
  }
  return { pixels, shape: [count, ...rest], ...(labels && { labels }), ...(captions && { captions }) };
}

/**
 * Clips from values in [-1, 1], as networks make them: round((value + 1) * 127.5), where values outside are clamped.
 * `values` has the shape [N, F, H, W, C]. Throws where the shape does not fit and on NaN, naming the place.
 */
export function toClips(values: Float32Array, shape: ClipsShape): Clips {
  checkShape('toClips', shape, values.length);
  const pixels = new Uint8Array(values.length);
  for (let i = 0; i < values.length; i++) {
    const value = values[i]!;
    if (Number.isNaN(value)) {
      throw new Error(`toClips: value ${i} of ${values.length} is NaN; whatever made the clips has diverged`);
    }
    pixels[i] = value <= -1 ? 0 : value >= 1 ? 255 : 127.5 * (value + 1) + 0.5; // the array drops the fraction
  }
  return { pixels, shape };
}

/** Pixels as a network takes them: uint8 0..255 to float32 [-1, 1] by x / 127.5 - 1, any shape. Returns a new array. */
export function normalizePixels(pixels: Uint8Array): Float32Array {
  const values = new Float32Array(pixels.length);
  // A plain loop: Float32Array.from with a function takes twenty times as long, which a training step would notice.
  for (let i = 0; i < pixels.length; i++) values[i] = pixels[i]! / 127.5 - 1;
  return values;
}

function checkShape(where: string, shape: ClipsShape, length: number): ClipsShape {
  if (shape.length !== 5 || !shape.every((size) => Number.isSafeInteger(size) && size >= 1)) {
    throw new Error(`${where}: clips are [${shape.join(', ')}]; expected [N, F, H, W, C], all of at least 1`);
  }
  if (length !== sizeOf(shape)) {
    throw new Error(`${where}: ${length} pixels; clips of [${shape.join(', ')}] have ${sizeOf(shape)}`);
  }
  return shape;
}

const sizeOf = (shape: readonly number[]): number => shape.reduce((product, size) => product * size, 1);
