import { type Clips, clipBytes } from '@eflow/tensor';
import type { FeatureSet } from './feature-set.ts';

/** How a clip moves, told from its pixels alone, x in [0, 1]; x_f is a frame, m_f its mean. */
export interface TemporalFigures {
  /** mean |x_{f+1} - x_f|: how much changes from a frame to the next; 0 for a still. */
  motion: number;
  /**
   * mean |x_{f+1} - 2 x_f + x_{f-1}| over mean (|x_{f+1} - x_f| + |x_f - x_{f-1}|), in [0, 1]: 0 where all changes go on as
   * they are, 1 where each is undone by the next; 0 for a still.
   */
  roughness: number;
  /** mean |m_{f+1} - 2 m_f + m_{f-1}|: brightness that comes and goes. */
  flicker: number;
  /** Mean correlation of a frame's pixels with the next one's, in [-1, 1]; 1 for a still. */
  similarity: number;
}

export const TEMPORAL_FIGURES: (keyof TemporalFigures)[] = ['motion', 'roughness', 'flicker', 'similarity'];

/** How each clip moves. Throws on clips of fewer than 3 frames. */
export function temporalFigures(clips: Clips): TemporalFigures[] {
  const bytes = clipBytes('temporalFigures', clips);
  const [count, numFrames] = clips.shape;
  if (numFrames < 3) throw new Error(`temporalFigures: clips of ${numFrames} frames; at least 3 are needed`);
  return Array.from({ length: count }, (_, i) =>
    figuresOf(clips.pixels.subarray(i * bytes, (i + 1) * bytes), numFrames),
  );
}

function figuresOf(pixels: Uint8Array, numFrames: number): TemporalFigures {
  const size = pixels.length / numFrames;
  const frames = Array.from({ length: numFrames }, (_, f) => pixels.subarray(f * size, (f + 1) * size));
  let [first, second, flicker, similarity] = [0, 0, 0, 0];
  const means = frames.map((frame) => frame.reduce((sum, x) => sum + x, 0) / size);
  /** Sum of |x_{f+1} - x_f| of each pair. */
  const changes = frames.slice(1).map((next, f) => {
    const frame = frames[f]!;
    let change = 0;
    for (let i = 0; i < size; i++) change += Math.abs(next[i]! - frame[i]!);
    similarity += correlation(frame, next, means[f]!, means[f + 1]!);
    return change;
  });
  for (let f = 1; f < numFrames - 1; f++) {
    const [before, frame, next] = [frames[f - 1]!, frames[f]!, frames[f + 1]!];
    for (let i = 0; i < size; i++) second += Math.abs(next[i]! - 2 * frame[i]! + before[i]!);
    first += changes[f - 1]! + changes[f]!;
    flicker += Math.abs(means[f + 1]! - 2 * means[f]! + means[f - 1]!);
  }
  return {
    motion: changes.reduce((sum, change) => sum + change, 0) / (changes.length * size * 255),
    roughness: first === 0 ? 0 : second / first,
    flicker: flicker / ((numFrames - 2) * 255),
    similarity: similarity / changes.length,
  };
}

/** Pearson's; of a flat frame 1 with a flat one, else 0. */
function correlation(x: Uint8Array, y: Uint8Array, meanX: number, meanY: number): number {
  let [xx, yy, xy] = [0, 0, 0];
  for (let i = 0; i < x.length; i++) {
    const [dx, dy] = [x[i]! - meanX, y[i]! - meanY];
    xx += dx * dx;
    yy += dy * dy;
    xy += dx * dy;
  }
  if (xx === 0 || yy === 0) return xx === yy ? 1 : 0;
  return xy / Math.sqrt(xx * yy);
}

/** A figure of real and of generated clips. */
export interface TemporalComparison {
  real: number;
  generated: number;
  /** The Wasserstein distance of the two spreads: how far a generated clip's figure is to move, on average, in the figure's unit. */
  distance: number;
}

/** The means of every figure, and how far apart the clips' figures are. Throws on empty lists. */
export function compareTemporal(
  real: readonly TemporalFigures[],
  generated: readonly TemporalFigures[],
): Record<keyof TemporalFigures, TemporalComparison> {
  if (real.length === 0 || generated.length === 0) {
    throw new Error(`compareTemporal: ${real.length} real and ${generated.length} generated clips; give some of both`);
  }
  const mean = (values: number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;
  const compareOne = (name: keyof TemporalFigures): TemporalComparison => {
    const [a, b] = [real, generated].map((clips) => clips.map((clip) => clip[name]).sort((x, y) => x - y)) as [
      number[],
      number[],
    ];
    return { real: mean(a), generated: mean(b), distance: wasserstein(a, b) };
  };
  return Object.fromEntries(TEMPORAL_FIGURES.map((name) => [name, compareOne(name)])) as ReturnType<
    typeof compareTemporal
  >;
}

/** The area between the distribution functions of sorted numbers. */
function wasserstein(a: readonly number[], b: readonly number[]): number {
  const places = [...a, ...b].sort((x, y) => x - y);
  let [i, j, area] = [0, 0, 0];
  for (const [k, place] of places.slice(0, -1).entries()) {
    while (i < a.length && a[i]! <= place) i++;
    while (j < b.length && b[j]! <= place) j++;
    area += Math.abs(i / a.length - j / b.length) * (places[k + 1]! - place);
  }
  return area;
}

/**
 * Clips as features without a network, for `findNearest` among those that were trained on: means of the pixels over a grid of
 * `side` x `side` places in every frame, in [0, 1]. D = F side^2 C. Throws on a side above the frames'.
 */
export function pixelFeatures(clips: Clips, side = 8): FeatureSet {
  const bytes = clipBytes('pixelFeatures', clips);
  const [count, F, H, W, C] = clips.shape;
  if (!Number.isInteger(side) || side < 1 || side > Math.min(H, W)) {
    throw new Error(
      `pixelFeatures: side is ${side}; expected an integer from 1 to ${Math.min(H, W)}, the frames' side`,
    );
  }
  const numFeatures = F * side * side * C;
  const [features, sizes] = [new Float64Array(count * numFeatures), new Float64Array(side * side)];
  const placeOf = (y: number, x: number) => Math.floor((y * side) / H) * side + Math.floor((x * side) / W);
  for (let y = 0; y < H; y++) for (let x = 0; x < W; x++) sizes[placeOf(y, x)]!++;
  for (let i = 0; i < count * bytes; i++) {
    const pixel = Math.floor(i / C);
    const [clipFrame, y, x] = [Math.floor(pixel / (H * W)), Math.floor(pixel / W) % H, pixel % W];
    const place = placeOf(y, x);
    features[(clipFrame * side * side + place) * C + (i % C)]! += clips.pixels[i]! / (255 * sizes[place]!);
  }
  return { features, numFeatures };
}
