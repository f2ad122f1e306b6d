import type { VideoDiTConfig } from './config.ts';

/** The weights of a block that are hidden matrices: how many lie one below the other, and how many side by side. */
const OF_A_BLOCK = {
  'attn.qkv': [1, 3],
  'attn.proj': [1, 1],
  'crossAttn.q': [1, 1],
  'crossAttn.kv': [1, 2],
  'crossAttn.proj': [1, 1],
  'mlp.fc1': [1, 1],
  'mlp.fc2': [1, 1],
} as const;

/** Those of the layers that join two states [B, L, E], one above the other in [2 E, E]. */
const OF_A_JOIN = [2, 1] as const;

/** Value and gate of SwiGLU, side by side. */
const OF_SWIGLU = [1, 2] as const;

/**
 * Which parameters of a VideoDiT are matrices from hidden states to hidden states, for `muon` of @eflow/optim, and into how many [down,
 * across] each is cut: q, k and v are three matrices. Everything else is undefined: adaLN, embedders, the first and the last layer, norms, biases,
 * and what a kind of attention learns.
 */
export const hiddenMatrices =
  ({ mlp }: Pick<VideoDiTConfig, 'mlp'>) =>
  (name: string): readonly [down: number, across: number] | undefined => {
    if (/^(skips\.\d+|fusion)\.weight$/.test(name)) return OF_A_JOIN;
    const ofWords = /^wordEncoder\.blocks\.\d+\.(.+)\.weight$/.exec(name)?.[1]; // whose MLP is never SwiGLU
    const layer = /^(?:encoder|middle|decoder)Blocks\.\d+\.(.+)\.weight$/.exec(name)?.[1];
    if (layer === 'mlp.fc1' && mlp === 'swiglu') return OF_SWIGLU;
    const known = layer ?? ofWords;
    return known === undefined ? undefined : OF_A_BLOCK[known as keyof typeof OF_A_BLOCK];
  };
