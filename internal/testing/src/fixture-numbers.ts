import * as tf from '@tensorflow/tfjs-core';

/**
 * `count` numbers in [-2, 2), multiples of 2^-18: a formula of integers, a part of its own for each text, which `numbers` of
 * reference/video_dit_fixtures.py has too, so that fixtures need not store what they were made from.
 */
export function hashNumbers(text: string, count: number): Float32Array {
  const hash = new TextEncoder().encode(text).reduce((h, byte) => Math.imul(h ^ byte, 0x01000193), 0x811c9dc5) >>> 8;
  const start = Math.imul(0x9e3779b9, 1 + 8 * hash);
  return Float32Array.from({ length: count }, (_, i) => {
    let x = (start + i) >>> 0;
    x = Math.imul(x ^ (x >>> 16), 0x21f0aaad);
    x = Math.imul(x ^ (x >>> 15), 0x735a2d97);
    return ((x ^ (x >>> 15)) >>> 12) / 2 ** 18 - 2;
  });
}

/** The same numbers as a tensor of a shape. */
export const fixtureNumbers = (text: string, shape: number[]): tf.Tensor =>
  tf.tensor(hashNumbers(text, tf.util.sizeFromShape(shape)), shape);
