import { describe, expect, it } from 'vitest';
import { createDraws, hashWords } from './hash.ts';

describe('hashWords', () => {
  // Published vectors of MurmurHash3_x86_32 (the byte strings read as little-endian words).
  it.each([
    [0x00000000, [], 0x00000000],
    [0x00000001, [], 0x514e28b7],
    [0xffffffff, [], 0x81f16f39],
    [0x00000000, [0x00000000], 0x2362f9de],
    [0x00000000, [0x87654321], 0xf55b516b],
    [0x5082edee, [0x87654321], 0x2362f9de],
    [0x00000000, [0xffffffff], 0x76293b50],
    [0x9747b28c, [0x74736574], 0x704b81dc], // "test"
  ])('seed %i, words %j', (seed, words, expected) => {
    expect(hashWords(seed, words)).toBe(expected);
  });
});

describe('createDraws', () => {
  const take = (seed: number, clip: number, count: number) => {
    const draw = createDraws(seed, clip);
    return Array.from({ length: count }, draw);
  };

  it('is uniform on [0, 1), within five standard errors', () => {
    const count = 20_000;
    const values = take(3, 5, count);
    const mean = (power: number) => values.reduce((sum, value) => sum + value ** power, 0) / count;
    expect(Math.min(...values)).toBeGreaterThanOrEqual(0);
    expect(Math.max(...values)).toBeLessThan(1);
    expect(Math.abs(mean(1) - 1 / 2)).toBeLessThan(5 * Math.sqrt(1 / 12 / count));
    expect(Math.abs(mean(2) - 1 / 3)).toBeLessThan(5 * Math.sqrt(4 / 45 / count));
  });

  it('draws another sequence for another seed and for another clip, also beyond 2^32', () => {
    const sequences = [take(0, 0, 8), take(1, 0, 8), take(0, 1, 8), take(0, 2 ** 32, 8), take(0, 2 ** 33, 8)];
    expect(new Set(sequences.flat()).size).toBe(40);
    expect(take(0, 2 ** 33, 8)).toEqual(sequences[4]);
  });
});
