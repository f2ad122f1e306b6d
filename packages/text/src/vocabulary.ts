import * as tf from '@tensorflow/tfjs-core';
import { checkCaption } from './caption.ts';

/** Captions as numbers of words; the caller owns the tensors. */
export type Words = {
  /** [B, S] int32: places in the vocabulary, or its length for a word that it does not have; S is a multiple of 8. */
  words: tf.Tensor;
  /** Where there is a word, [B, S] bool. */
  mask: tf.Tensor;
};

/** Lengths that captions are padded to are multiples of this, so that few graphs are compiled. */
export const WORDS_STEP = 8;
/** A word is a row of a table that is multiplied as a whole. */
export const MAX_WORDS = 8192;

/** The words of a text in small letters: letters and digits of any script, without the marks between them. */
export const splitWords = (text: string): string[] => text.toLowerCase().match(/[\p{L}\p{M}\p{N}]+/gu) ?? [];

/** The vocabulary of some texts: all their words, in the order of the alphabet. Throws if there are none, or more than 8,192. */
export function collectWords(texts: readonly string[]): string[] {
  const words = [...new Set(texts.flatMap(splitWords))].sort();
  if (words.length === 0) throw new Error(`collectWords: the ${texts.length} texts have no word`);
  if (words.length > MAX_WORDS) {
    throw new Error(`collectWords: the texts have ${words.length} different words; expected at most ${MAX_WORDS}`);
  }
  return words;
}

/** The words of a text that a vocabulary does not have, each once. */
export function unknownWords(vocabulary: readonly string[], text: string): string[] {
  const known = new Set(vocabulary);
  return [...new Set(splitWords(text))].filter((word) => !known.has(word));
}

/**
 * A caption as numbers of its words: places in the vocabulary, or its length for a word that it does not have. Throws, naming `where`, on one
 * that is empty, too long, holds control characters, or has no word that the vocabulary has.
 */
export const numberWords = (vocabulary: readonly string[], where: string, caption: string): number[] =>
  numberBy(placesOf(vocabulary), where, caption);

const placesOf = (vocabulary: readonly string[]) => new Map(vocabulary.map((word, i) => [word, i]));

function numberBy(places: ReadonlyMap<string, number>, where: string, caption: string): number[] {
  checkCaption(where, caption);
  const words = splitWords(caption);
  if (words.some((word) => places.has(word))) return words.map((word) => places.get(word) ?? places.size);
  const examples = [...places.keys()].filter((word) => /\p{L}{3}/u.test(word)).slice(0, 8);
  throw new Error(`${where}, ${JSON.stringify(caption)}, has no word that is known, such as ${examples.join(', ')}`);
}

/** Captions as numbers of their words, padded to the longest in steps of eight. Throws, naming the caption, as `numberWords` does. */
export function readWords(vocabulary: readonly string[], captions: readonly string[]): Words {
  const places = placesOf(vocabulary);
  const rows = captions.map((caption, i) => numberBy(places, `caption ${i + 1}`, caption));
  const longest = Math.max(1, ...rows.map(({ length }) => length));
  const S = Math.ceil(longest / WORDS_STEP) * WORDS_STEP;
  const words = new Int32Array(rows.length * S).fill(vocabulary.length);
  const mask = new Uint8Array(rows.length * S);
  for (const [i, row] of rows.entries()) {
    words.set(row, i * S);
    mask.fill(1, i * S, i * S + row.length);
  }
  return { words: tf.tensor2d(words, [rows.length, S], 'int32'), mask: tf.tensor2d(mask, [rows.length, S], 'bool') };
}
