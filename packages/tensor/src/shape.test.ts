import * as tf from '@tensorflow/tfjs-core';
import { describe, expect, it } from 'vitest';
import { assertShape } from './shape.ts';

describe('assertShape', () => {
  const x = tf.zeros([2, 3, 5]);

  it('returns the lengths of the letters', () => {
    expect(assertShape('f', 'x', x, ['B', 'L', 5])).toEqual({ B: 2, L: 3 });
    expect(assertShape('f', 'x', x, ['B', 'L', 'E'], { B: 2 })).toEqual({ B: 2, L: 3, E: 5 });
  });

  it.each([
    [['B', 'L', 7], {}, 'f: expected x [B, L, 7], got [2, 3, 5]'],
    [['B', 'L'], {}, 'f: expected x [B, L], got [2, 3, 5]'],
    [['B', 'B', 5], {}, 'f: expected x [B, B, 5], got [2, 3, 5]'],
    [['B', 'L', 'E'], { L: 4 }, 'f: expected x [B, L=4, E], got [2, 3, 5]'],
  ] as const)('refuses %j with %j', (pattern, known, message) => {
    expect(() => assertShape('f', 'x', x, pattern, known)).toThrow(message);
  });
});
