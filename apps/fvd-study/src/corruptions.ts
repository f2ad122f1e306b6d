import { type Clips, philoxNormal, philoxUniform } from '@eflow/tensor';

/** Makes clips worse, and worse the larger `strength` is. */
export interface Corruption {
  name: string;
  /** What `strength` is. */
  unit: string;
  strengths: readonly number[];
  apply(clips: Clips, strength: number, seed: number): Clips;
}

/** `corrupt` on every clip of its own, whose pixels it may change. */
const each = ({ pixels, shape }: Clips, corrupt: (clip: Uint8Array, index: number) => void): Clips => {
  const result = pixels.slice();
  const bytes = pixels.length / shape[0];
  for (let i = 0; i < shape[0]; i++) corrupt(result.subarray(i * bytes, (i + 1) * bytes), i);
  return { pixels: result, shape };
};

export const CORRUPTIONS: readonly Corruption[] = [
  {
    name: 'blur',
    unit: 'standard deviation, pixels',
    strengths: [0.4, 0.6, 0.8, 1.2, 2],
    apply: (clips, deviation) => each(clips, (clip) => clip.set(blur(clip, clips.shape, deviation))),
  },
  {
    name: 'noise',
    unit: 'standard deviation, of 255',
    strengths: [8, 16, 32, 64, 128],
    apply(clips, deviation, seed) {
      const noise = philoxNormal([seed, 1], clips.pixels.length);
      const clamp = (x: number) => Math.round(Math.min(255, Math.max(0, x)));
      return { ...clips, pixels: clips.pixels.map((x, i) => clamp(x + deviation * noise[i]!)) };
    },
  },
  {
    name: 'frame shuffle',
    unit: 'frames that change places',
    strengths: [2, 3, 4, 5, 6], // six of eight are as shuffled as all
    apply: (clips, count, seed) =>
      each(clips, (clip, i) => moveFrames(clip, clips.shape[1], shuffle(clips.shape[1], count, [seed + 2, i]))),
  },
  {
    name: 'freeze',
    unit: 'frames that stand still',
    strengths: [2, 3, 5, 6, 8],
    apply: (clips, count) =>
      each(clips, (clip) => {
        const F = clips.shape[1];
        const last = F - count; // stands until the end
        moveFrames(
          clip,
          F,
          Array.from({ length: F }, (_, f) => Math.min(f, last)),
        );
      }),
  },
  {
    name: 'swap of class',
    unit: 'share of the clips whose digit becomes another half-way',
    strengths: [0.1, 0.25, 0.5, 0.75, 1],
    apply(clips, share) {
      const { pixels, shape } = clips;
      const bytes = pixels.length / shape[0];
      const swapped = Math.round(share * shape[0]);
      return each(clips, (clip, i) => {
        if (i >= swapped) return;
        const other = ((i + 1) % shape[0]) * bytes;
        clip.set(pixels.subarray(other + bytes / 2, other + bytes), bytes / 2);
      });
    },
  },
  {
    name: 'pixel shift',
    unit: 'pixels that each frame is moved by, at most',
    strengths: [1, 2, 3, 4, 6],
    apply(clips, most, seed) {
      const [N, F] = clips.shape;
      const draws = philoxUniform([seed, 4], 2 * N * F);
      const by = (i: number) => Math.round((2 * draws[i]! - 1) * most);
      return each(clips, (clip, i) =>
        shiftFrames(clip, clips.shape, (f) => [by(2 * (i * F + f)), by(2 * (i * F + f) + 1)]),
      );
    },
  },
];

/** Which frame comes in the place of each: `count` of them, drawn, go one on in a ring. */
function shuffle(numFrames: number, count: number, seed: [number, number]): number[] {
  const draws = philoxUniform(seed, numFrames);
  const drawn = Array.from({ length: numFrames }, (_, f) => f).sort((a, b) => draws[a]! - draws[b]!);
  const order = Array.from({ length: numFrames }, (_, f) => f);
  for (let i = 0; i < count; i++) order[drawn[i]!] = drawn[(i + 1) % count]!;
  return order;
}

function moveFrames(clip: Uint8Array, numFrames: number, order: readonly number[]): void {
  const before = clip.slice();
  const size = clip.length / numFrames;
  for (const [f, from] of order.entries()) clip.set(before.subarray(from * size, (from + 1) * size), f * size);
}

/** Every frame of a grey clip moved down and right, with what is moved in black. */
function shiftFrames(clip: Uint8Array, [, F, H, W]: Clips['shape'], by: (frame: number) => [number, number]): void {
  const before = clip.slice();
  for (let f = 0; f < F; f++) {
    const [down, right] = by(f);
    for (let y = 0; y < H; y++) {
      for (let x = 0; x < W; x++) {
        const [fromY, fromX] = [y - down, x - right];
        const isInside = fromY >= 0 && fromY < H && fromX >= 0 && fromX < W;
        clip[(f * H + y) * W + x] = isInside ? before[(f * H + fromY) * W + fromX]! : 0;
      }
    }
  }
}

/** A Gaussian over rows and columns of a grey clip, with black around it. */
function blur(clip: Uint8Array, [, , H, W]: Clips['shape'], deviation: number): Uint8Array {
  const reach = Math.ceil(3 * deviation);
  const weights = Array.from({ length: 2 * reach + 1 }, (_, i) => Math.exp(-((i - reach) ** 2) / (2 * deviation ** 2)));
  const sum = weights.reduce((a, b) => a + b);
  const at = (of: ArrayLike<number>, f: number, y: number, x: number) =>
    y >= 0 && y < H && x >= 0 && x < W ? of[(f * H + y) * W + x]! : 0;
  const over = (of: ArrayLike<number>, pick: (f: number, y: number, x: number, by: number) => number) =>
    Float64Array.from(of, (_, i) => {
      const [f, y, x] = [Math.floor(i / (H * W)), Math.floor(i / W) % H, i % W];
      return weights.reduce((total, weight, k) => total + weight * pick(f, y, x, k - reach), 0) / sum;
    });
  const rows = over(clip, (f, y, x, by) => at(clip, f, y, x + by));
  return Uint8Array.from(
    over(rows, (f, y, x, by) => at(rows, f, y + by, x)),
    Math.round,
  );
}
