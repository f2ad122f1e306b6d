import type { Clips } from '@eflow/tensor';

/** Rec. 601 luma of red, green and blue; where all three are equal it is their value. */
const LUMA = [0.299, 0.587, 0.114] as const;

/**
 * Clips with so many channels: the brightness of RGB frames for one, grey frames repeated for three. What fits is returned as it
 * is. Throws on alpha and on any other number of channels, as nobody but the caller knows the ground below.
 */
export function toChannels(clips: Clips, channels: 1 | 3): Clips {
  const { pixels, shape } = clips;
  const [N, F, H, W, C] = shape;
  if (C === channels) return clips;
  if (C !== 1 && C !== 3) {
    const kind = { 2: 'grey with alpha', 4: 'RGB with alpha' }[C] ?? `of ${C} channels`;
    throw new Error(`toChannels: frames are ${kind}; expected grey (1 channel) or RGB (3): lay alpha over a ground`);
  }
  const fitting = new Uint8Array(channels * N * F * H * W);
  if (C === 3) {
    for (let i = 0; i < fitting.length; i++) {
      const [red, green, blue] = [pixels[3 * i]!, pixels[3 * i + 1]!, pixels[3 * i + 2]!];
      fitting[i] = Math.round(LUMA[0] * red + LUMA[1] * green + LUMA[2] * blue);
    }
  } else {
    for (let i = 0; i < pixels.length; i++) fitting.fill(pixels[i]!, 3 * i, 3 * i + 3);
  }
  return { ...clips, pixels: fitting, shape: [N, F, H, W, channels] };
}
