import { describe, expect, it } from 'vitest';
import type { AttentionSpec } from './attention.ts';
import { attentionOracle } from './attention.ts';

describe('attentionOracle', () => {
  it('averages what a token sees where no key stands out', () => {
    const L = 12;
    const zeros = Array(L).fill(0);
    const v = Array.from({ length: L }, (_, i) => 2 ** i);
    const value = (spec: AttentionSpec) =>
      attentionOracle(spec, [1, 1, L, 1], { q: zeros, k: zeros, v, proj: [1], grid: [3, 2, 2], gate: zeros });
    expect(value({ kind: 'softmax' })[5]).toBeCloseTo(4095 / 12, 9);
    expect(value({ kind: 'local', windowSize: 1 })[0]).toBeCloseTo((1 + 2) / 2, 9);
    expect(value({ kind: 'glga', windowSize: 1, featureMap: 'relu' })[11]).toBeCloseTo((1024 + 2048) / 2, 9);
    // Token 5 is (t, h, w) = (1, 0, 1): with [1, 0, 1] it sees rows of its own h: 0, 1, 4, 5, 8, 9.
    expect(value({ kind: 'local', windowSize: [1, 0, 1] })[5]).toBeCloseTo((1 + 2 + 16 + 32 + 256 + 512) / 6, 9);
    // phi = 1: all tokens up to the end of the block of 5.
    expect(value({ kind: 'linear', featureMap: 'elu1', causalBlockSize: 5 })[7]).toBeCloseTo(1023 / 10, 3);
    // Blocks of 4 with equal products keep their order: the first on top, the second linear, the last skipped.
    const sla: AttentionSpec = { kind: 'sla', blockSize: 4, topRatio: 0.4, skipRatio: 0.4 };
    expect(value(sla)[0]).toBeCloseTo(15 / 4 + (16 + 32 + 64 + 128) / 4, 3);
  });
});
