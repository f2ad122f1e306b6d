import { describe, expect, it } from 'vitest';
import { toChannels } from './channels.ts';

const clip = (channels: number, ...values: number[]) => ({
  pixels: Uint8Array.from(values),
  shape: [1, 1, 1, values.length / channels, channels] as const,
});

describe('toChannels', () => {
  it('takes the brightness of RGB, and of grey its own value', () => {
    const { pixels, shape } = toChannels(clip(3, 255, 0, 0, 0, 255, 0, 0, 0, 255), 1);
    expect([...pixels]).toEqual([76, 150, 29]); // 255 times 0.299, 0.587 and 0.114
    expect(shape).toEqual([1, 1, 1, 3, 1]);
  });

  it('gives every grey back that it repeated', () => {
    const grey = clip(1, ...Array.from({ length: 256 }, (_, i) => i));
    const rgb = toChannels(grey, 3);
    expect([rgb.shape.at(-1), ...rgb.pixels.subarray(21, 27)]).toEqual([3, 7, 7, 7, 8, 8, 8]);
    expect(toChannels(rgb, 1)).toEqual(grey);
  });

  it('refuses alpha and other channels', () => {
    expect(() => toChannels(clip(4, 1, 2, 3, 4), 3)).toThrow('frames are RGB with alpha; expected grey (1 channel)');
    expect(() => toChannels(clip(2, 1, 2), 1)).toThrow('grey with alpha');
    expect(() => toChannels(clip(5, 1, 2, 3, 4, 5), 1)).toThrow('of 5 channels');
  });
});
