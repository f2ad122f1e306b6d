import { VIDEO_DIT_DEFAULTS, type VideoDiTConfig } from './config.ts';

/** All of a config but what the data decides. */
export type VideoDiTPreset = Omit<VideoDiTConfig, 'channels' | 'numClasses'>;

/**
 * Encoder, middle and decoder blocks, 1 : 4 : 1, as SPRINT (arXiv 2510.21986) splits twelve. Throws unless `total` is a
 * positive multiple of 6.
 */
export function splitDepth(total: number): [encoder: number, middle: number, decoder: number] {
  const sixths = total / 6;
  if (Number.isInteger(sixths) && sixths > 0) return [sixths, 4 * sixths, sixths];
  const near = new Set([Math.floor, Math.ceil].map((round) => 6 * Math.max(1, round(sixths || 1))));
  throw new Error(
    `splitDepth: depth ${total} does not split 1 : 4 : 1 into encoder, middle and decoder; expected a multiple of 6, such as ${[...near].join(' or ')}, or three depths`,
  );
}

/** Widths, heads and depths are DiT's (arXiv 2212.09748), and Ti's those of a DeiT (arXiv 2012.12877); attention is our choice. */
const preset = (hiddenSize: number, numHeads: number, depth: VideoDiTConfig['depth']): VideoDiTPreset => ({
  patchSize: [1, 2, 2],
  hiddenSize,
  depth,
  numHeads,
  attention: VIDEO_DIT_DEFAULTS.attention,
});

/** Sizes by name. Add what the data decides: `{ ...VIDEO_DIT_PRESETS['VideoDiT-B'], channels: 4, numClasses: 101 }`. */
export const VIDEO_DIT_PRESETS = {
  'VideoDiT-Ti': preset(192, 3, splitDepth(12)),
  'VideoDiT-S': preset(384, 6, splitDepth(12)),
  'VideoDiT-B': preset(768, 12, splitDepth(12)),
  'VideoDiT-L': preset(1024, 16, splitDepth(24)),
  // Our choice: 28 blocks do not split evenly.
  'VideoDiT-XL': preset(1152, 16, [4, 20, 4]),
} as const satisfies Record<string, VideoDiTPreset>;
