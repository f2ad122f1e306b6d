import { describe, expect, it } from 'vitest';
import { bfloat16Support, cpuFlags } from './bfloat16.ts';

describe('bfloat16Support', () => {
  it('is what the CPU says, and names the instruction set, or those that are missing', () => {
    const { supported, by } = bfloat16Support('cpu');
    const has = ['avx512_bf16', 'amx_bf16', 'bf16'].filter((flag) => cpuFlags().has(flag));
    expect(supported).toBe(has.length > 0);
    expect(by).toBe(has[0] ?? 'a CPU without avx512_bf16, amx_bf16, bf16');
  });

  it('is nothing to count on where no GPU answers', () => {
    const { PATH } = process.env;
    process.env.PATH = '';
    try {
      expect(bfloat16Support('gpu')).toEqual({ supported: false, by: 'a GPU of compute capability unknown' });
    } finally {
      process.env.PATH = PATH;
    }
  });
});
