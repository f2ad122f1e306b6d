import { describe, expect, it } from 'vitest';
import { philoxBits, philoxBlock, philoxNormal, philoxUniform } from './philox.ts';

describe('philoxBlock', () => {
  // Known answers of the authors' own library, Random123, file kat_vectors, philox4x32 with 10 rounds.
  it.each([
    [
      [0, 0, 0, 0],
      [0, 0],
      [0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8],
    ],
    [
      [0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff],
      [0xffffffff, 0xffffffff],
      [0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd],
    ],
    [
      [0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344],
      [0xa4093822, 0x299f31d0],
      [0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1],
    ],
  ] as const)('gives the published answer for counter %j and key %j', (counter, key, answer) => {
    const out = new Uint32Array(4);
    philoxBlock(Uint32Array.of(...counter), key, out);
    expect([...out]).toEqual([...answer]);
  });
});

describe('streams of bits, uniforms and normals', () => {
  it('give word i independently of how many are asked for', () => {
    const long = philoxBits([7, -9], 1000);
    for (const count of [1, 3, 4, 5, 997]) expect(philoxBits([7, -9], count)).toEqual(long.subarray(0, count));
    expect(philoxNormal([7, -9], 7)).toEqual(philoxNormal([7, -9], 8).subarray(0, 7));
  });

  it('have the moments of their distributions', () => {
    const moments = (values: Float32Array) => {
      const mean = values.reduce((sum, x) => sum + x, 0) / values.length;
      return [mean, values.reduce((sum, x) => sum + (x - mean) ** 2, 0) / values.length] as const;
    };
    const [uniformMean, uniformVariance] = moments(philoxUniform([1, 2], 100_000));
    expect(Math.abs(uniformMean - 1 / 2)).toBeLessThan(0.005); // 5 standard errors
    expect(Math.abs(uniformVariance - 1 / 12)).toBeLessThan(0.002);
    const [normalMean, normalVariance] = moments(philoxNormal([3, 4], 100_000));
    expect(Math.abs(normalMean)).toBeLessThan(0.016);
    expect(Math.abs(normalVariance - 1)).toBeLessThan(0.023);
  });
});
