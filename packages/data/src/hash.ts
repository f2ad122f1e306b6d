/**
 * MurmurHash3 (x86, 32 bit) of Austin Appleby, public domain, over whole 32-bit words: a counter-based generator.
 * A draw depends on (seed, clip, draw) alone, so that any clip can be made without the ones before it.
 */

const rotateLeft = (word: number, bits: number): number => (word << bits) | (word >>> (32 - bits));

/** The 32-bit hash of `words`, as a number in [0, 2^32). */
export function hashWords(seed: number, words: readonly number[]): number {
  let hash = seed | 0;
  for (const word of words) {
    hash ^= Math.imul(rotateLeft(Math.imul(word, 0xcc9e2d51), 15), 0x1b873593);
    hash = (Math.imul(rotateLeft(hash, 13), 5) + 0xe6546b64) | 0;
  }
  hash ^= 4 * words.length;
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}

/** Draws for one clip: each call of the result gives the next number, uniform on [0, 1) in steps of 2^-32. */
export function createDraws(seed: number, clip: number): () => number {
  let draw = 0;
  return () => hashWords(seed, [clip, Math.floor(clip / 2 ** 32), draw++]) / 2 ** 32;
}
