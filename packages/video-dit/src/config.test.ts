import { createStream } from '@eflow/tensor';
import { describe, expect, it } from 'vitest';
import { countTokens, tokenGrid, VIDEO_DIT_DEFAULTS, type VideoDiTConfig, validateConfig } from './config.ts';
import { initVideoDiT } from './params.ts';

const good: VideoDiTConfig = {
  channels: 1,
  patchSize: [2, 3, 5],
  hiddenSize: 24,
  depth: [1, 2, 1],
  numHeads: 3,
  mlpRatio: 4,
  attention: { kind: 'softmax' },
  numClasses: 10,
};

const clip = { numFrames: 4, height: 6, width: 10 };

describe('config', () => {
  it('gives the token grid of any clip', () => {
    validateConfig(good);
    expect(tokenGrid(good, clip)).toEqual([2, 2, 2]);
    expect(countTokens(good, clip)).toBe(8);
    expect(tokenGrid(good, { numFrames: 2, height: 9, width: 5 })).toEqual([1, 3, 1]);
  });

  it.each<[Partial<typeof clip>, string]>([
    [{ height: 7 }, 'height 7 is not a multiple of its patch, 3; patches that divide it: 1, 7; sizes near it: 6, 9'],
    [{ numFrames: 1 }, 'numFrames 1 is less than a patch, 2; patches that divide it: 1; sizes near it: 2, or repeat'],
    [{ width: 0 }, 'width is 0; expected an integer of at least 1'],
  ])('refuses the clip %j', (change, message) => {
    expect(() => tokenGrid(good, { ...clip, ...change })).toThrow(message);
  });

  it.each<[Partial<VideoDiTConfig>, string]>([
    [
      { numHeads: 5 },
      'hiddenSize 24 is not a multiple of numHeads 5; numbers of heads that divide it: 1, 2, 3, 4, 6, 8, 12, 24',
    ],
    [{ numHeads: 8 }, 'hiddenSize / numHeads is 3; the rotary embedding needs an even head of at least 6'],
    [{ depth: [1, 0, 1] }, 'depth (middle) is 0'],
    [{ patchSize: [0, 3, 5] }, 'patchSize (frames) is 0'],
    [{ mlpRatio: Number.NaN }, 'mlpRatio is NaN'],
    [{ mlp: 'relu' } as object, "mlp is 'relu'; expected 'gelu' or 'swiglu'"],
    [{ predicts: 'noise' } as object, "predicts is 'noise'; expected 'velocity' or 'data'"],
    [{ maskToken: 'zero' } as object, "maskToken is 'zero'; expected 'frozen' or 'trained'"],
    [{ checkpoint: 'layers' } as object, "checkpoint is 'layers'; expected 'none' or 'blocks'"],
    [{ numClasses: 2.5 }, 'numClasses is 2.5'],
    [{ contextSize: 0 }, 'contextSize is 0'],
  ])('refuses %j', (change, message) => {
    expect(() => validateConfig({ ...good, ...change })).toThrow(message);
  });

  const least: VideoDiTConfig = { channels: 1, patchSize: [2, 3, 5], hiddenSize: 24, depth: [1, 2, 1], numHeads: 3 };

  it('fills in what is absent or undefined, and keeps what is given', () => {
    expect(validateConfig(least)).toEqual({ ...VIDEO_DIT_DEFAULTS, ...least });
    expect(validateConfig({ ...least, mlpRatio: undefined } as object as VideoDiTConfig).mlpRatio).toBe(4);
    expect(validateConfig(good)).toEqual({ ...VIDEO_DIT_DEFAULTS, ...good });
  });

  it.each(Object.keys(least))('names a missing %s', (name) => {
    const { [name as 'channels']: _, ...rest } = least;
    expect(() => validateConfig(rest as VideoDiTConfig)).toThrow(`VideoDiT: the config has no ${name}`);
  });

  it('names a misspelt key and the nearest; to the compiler it is an error, too', () => {
    // @ts-expect-error: no key of it
    expect(() => validateConfig({ ...least, hiddensize: 24 })).toThrow(
      "VideoDiT: unknown option 'hiddensize'; did you mean 'hiddenSize'? Options: ",
    );
    // @ts-expect-error: no key of it
    expect(() => initVideoDiT(createStream(1), { ...least, numclasses: 10 })).toThrow("did you mean 'numClasses'");
  });
});
