import { crossAttention, rotaryTable, rotate } from '@eflow/attention';
import {
  type HeadsParams,
  initLabelEmbedder,
  initLinear,
  joinHeads,
  type LabelEmbedderParams,
  type LinearParams,
  labelEmbedder,
  layerNorm,
  linear,
  linearGelu,
  projectHeads,
} from '@eflow/nn';
import { assertShape, type RandomStream, refuseUnknownKeys, splitStream } from '@eflow/tensor';
import * as tf from '@tensorflow/tfjs-core';
import { MAX_WORDS, splitWords, type Words } from './vocabulary.ts';

/** The sizes of a transformer over words, which is trained with the network that reads its states. */
export interface WordEncoderConfig {
  /** The words that it knows, in small letters, each once, as `collectWords` gives them: at most 8,192. */
  vocabulary: readonly string[];
  /** T, the width of the states; a multiple of `numHeads`. */
  width: number;
  /** Blocks; 0 for words that know nothing of each other. */
  depth: number;
  numHeads: number;
}

export type WordEncoderParams = {
  embedder: LabelEmbedderParams;
  blocks: { attn: HeadsParams & { proj: LinearParams }; mlp: { fc1: LinearParams; fc2: LinearParams } }[];
};

/** Width of the MLP over T. */
const MLP_RATIO = 4;

/** Parameters of a transformer over words. The caller owns them. Throws on sizes that cannot be, or an unknown key. */
export function initWordEncoder(stream: RandomStream, config: WordEncoderConfig): WordEncoderParams {
  checkWordEncoder('initWordEncoder', config);
  const { vocabulary, width, depth, numHeads } = config;
  const D = width / numHeads;
  return {
    embedder: initLabelEmbedder(splitStream(stream, 'embedder'), vocabulary.length, width),
    blocks: Array.from({ length: depth }, (_, i) => {
      const at = (label: string) => splitStream(splitStream(stream, i), label);
      return {
        attn: {
          qkv: initLinear(at('qkv'), width, 3 * width),
          qNorm: { weight: tf.ones([D]) },
          kNorm: { weight: tf.ones([D]) },
          proj: initLinear(at('proj'), width, width),
        },
        mlp: {
          fc1: initLinear(at('fc1'), width, MLP_RATIO * width),
          fc2: initLinear(at('fc2'), MLP_RATIO * width, width),
        },
      };
    }),
  };
}

/**
 * The states of words, each of which sees all others of its caption: pre-norm transformer blocks (Xiong et al., arXiv 2002.04745)
 * with rotary places and normalised queries and keys -> [B, S, T], owned by the caller. What stands where there is no word changes
 * nothing elsewhere. Throws if the words' shapes disagree.
 */
export function wordEncoder(
  params: WordEncoderParams,
  { numHeads }: WordEncoderConfig,
  { words, mask }: Words,
): tf.Tensor {
  const { B, S } = assertShape('wordEncoder', 'words', words, ['B', 'S']);
  assertShape('wordEncoder', 'mask', mask, [B!, S!]);
  return tf.tidy(() => {
    const T = params.embedder.table.shape[1];
    const rotary = rotaryTable([S!, 1, 1], T / numHeads);
    let h: tf.Tensor = tf.reshape(labelEmbedder(params.embedder, tf.reshape(words, [-1])), [B!, S!, T]);
    for (const { attn, mlp } of params.blocks) {
      const { q, k, v } = projectHeads(attn, layerNorm(h)) as Record<'q' | 'k' | 'v', tf.Tensor>;
      const seen = crossAttention({ q: rotate(q!, rotary), k: rotate(k!, rotary), v: v!, mask });
      h = tf.add(h, linear(attn.proj, joinHeads(seen)));
      h = tf.add(h, linear(mlp.fc2, linearGelu(mlp.fc1, layerNorm(h))));
    }
    return layerNorm(h);
  });
}

/** Throws, naming `where`, on sizes that cannot be, or an unknown key. */
export function checkWordEncoder(where: string, config: WordEncoderConfig): void {
  refuseUnknownKeys(where, config, ['vocabulary', 'width', 'depth', 'numHeads']);
  const { vocabulary, width, depth, numHeads } = config;
  const { length } = vocabulary;
  if (length < 1 || length > MAX_WORDS || new Set(vocabulary).size < length) {
    throw new Error(`${where}: the vocabulary has ${length} words; expected 1 to ${MAX_WORDS}, each once`);
  }
  const odd = vocabulary.find((word) => splitWords(word)[0] !== word);
  if (odd !== undefined) {
    throw new Error(
      `${where}: the vocabulary has ${JSON.stringify(odd)}; expected words in small letters, as collectWords gives them`,
    );
  }
  const least = { width: 1, depth: 0, numHeads: 1 };
  for (const [name, value] of Object.entries({ width, depth, numHeads })) {
    const from = least[name as keyof typeof least];
    if (Number.isInteger(value) && value >= from) continue;
    throw new Error(`${where}: ${name} is ${value}; expected an integer of at least ${from}`);
  }
  const D = width / numHeads;
  if (Number.isInteger(D) && D % 2 === 0 && D >= 6) return;
  throw new Error(
    `${where}: width is ${width} and numHeads ${numHeads}; expected a width of an even number of at least 6 for each head`,
  );
}
