import { describe, expect, it } from 'vitest';
import { countTokens, tokenGrid, type VideoDiTConfig, validateConfig } from './config.ts';

const good: VideoDiTConfig = {
  numFrames: 4,
  height: 6,
  width: 10,
  channels: 1,
  patchSize: [2, 3, 5],
  hiddenSize: 24,
  depth: [1, 2, 1],
  numHeads: 3,
  mlpRatio: 4,
  attention: { kind: 'softmax' },
  numClasses: 10,
};

describe('config', () => {
  it('gives the token grid', () => {
    validateConfig(good);
    expect(tokenGrid(good)).toEqual([2, 2, 2]);
    expect(countTokens(good)).toBe(8);
  });

  it.each<[Partial<VideoDiTConfig>, string]>([
    [{ height: 7 }, 'height 7 is not a multiple of its patch, 3; patches that divide it: 1, 7'],
    [{ numFrames: 1 }, 'numFrames 1 is not a multiple of its patch, 2'],
    [
      { numHeads: 5 },
      'hiddenSize 24 is not a multiple of numHeads 5; numbers of heads that divide it: 1, 2, 3, 4, 6, 8, 12, 24',
    ],
    [{ numHeads: 8 }, 'hiddenSize / numHeads is 3; the rotary embedding needs an even head of at least 6'],
    [{ depth: [1, 0, 1] }, 'depth (middle) is 0'],
    [{ patchSize: [0, 3, 5] }, 'patchSize (numFrames) is 0'],
    [{ mlpRatio: Number.NaN }, 'mlpRatio is NaN'],
    [{ checkpoint: 'layers' } as object, "checkpoint is 'layers'; expected 'none' or 'blocks'"],
    [{ numClasses: 2.5 }, 'numClasses is 2.5'],
  ])('refuses %j', (change, message) => {
    expect(() => validateConfig({ ...good, ...change })).toThrow(message);
  });
});
